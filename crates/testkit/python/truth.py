#!/usr/bin/env python3
"""The same calls against the embedded account and against moto's server, made by boto3 and by the AWS CLI.

Answers must be equal once ids, dates and ARNs' account are made alike. Where moto is known to be wrong, the
call carries the right answer and says where that is from (the sections are those of the IAM documentation and
of botocore's service model). Every answer of the embedded account is also held against botocore's own model:
no required member may be missing.
"""

import argparse
import json
import os
import re
import subprocess
import sys

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

import truth_credentials

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]})
DENY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
ACCOUNT = "123456789012"
IDS = re.compile(r"\b(AIDA|AGPA|AROA|ANPA|AKIA)[A-Z0-9]{12,}\b|^[a-z0-9]{20}$")

# Where the embedded account is right and moto is not: the answer, and the source of it.
MISSING = ("NoSuchEntity", 404)
INVALID = ("ValidationError", 400)


def error(code, status, source):
    return {"error": [code, status], "source": source}


def answer(source, **members):
    return {"members": members, "source": source}


MODEL = "service model iam/2010-05-08"
QUOTAS = "IAM User Guide, IAM and AWS STS quotas"
CASE = "IAM User Guide, quotas page: names are unique ignoring case"
PAGES = "IAM API Reference, MaxItems and Marker of each List operation"
CAPTURE = "captures of real answers, stackd testdata/aws/iam"


def calls():
    """Yields (operation, parameters, expectation or None)."""
    # --- users: create, read, list, paths, tags, errors
    yield "ListUsers", {}, None
    yield "ListGroups", {}, None
    yield "GetAccountAuthorizationDetails", {"Filter": ["User", "Group"]}, None
    for name in ["alice", "bob", "carol", "dave", "Headless-ci", "MisconfiguredUser-x", "a+b=c,d.e@f_g-h"]:
        yield "CreateUser", {"UserName": name}, None
    yield "CreateUser", {"UserName": "erin", "Path": "/people/staff/"}, None
    yield "CreateUser", {"UserName": "frank", "Tags": [{"Key": "team", "Value": "red"}, {"Key": "n", "Value": ""}]}, None
    yield "CreateUser", {"UserName": "alice"}, None
    yield "CreateUser", {"UserName": "ALICE"}, error("EntityAlreadyExists", 409, CASE)
    yield "CreateUser", {"UserName": "x" * 64}, None
    yield "CreateUser", {"UserName": "x" * 65}, error(*INVALID, MODEL + ": userNameType")
    yield "CreateUser", {"UserName": "a b"}, error(*INVALID, MODEL + ": pattern of userNameType")
    yield "CreateUser", {"UserName": "a/b"}, error(*INVALID, MODEL + ": pattern of userNameType")
    yield "CreateUser", {"UserName": "caf\u00e9"}, error(*INVALID, CAPTURE + ", identity_inputs.json")
    yield "CreateUser", {"UserName": "p1", "Path": "/a//b/"}, None
    for path in ["//", "/team", "team/", "/a b/", "/\u00e9/"]:
        yield "CreateUser", {"UserName": "p2", "Path": path}, error(*INVALID, MODEL + ": pathType")
    yield "CreateUser", {"UserName": "p2", "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/none"}, error(*MISSING, MODEL)
    yield "CreateUser", {"UserName": "p2", "Tags": [{"Key": "aws:x", "Value": "y"}]}, error("InvalidInput", 400, CAPTURE + ", tags_aws.json")
    yield "CreateUser", {"UserName": "p2", "Tags": [{"Key": "k", "Value": "1"}, {"Key": "K", "Value": "2"}]}, error("InvalidInput", 400, CAPTURE + ", tags_aws.json")
    yield "GetUser", {"UserName": "alice"}, None
    yield "GetUser", {"UserName": "frank"}, None
    yield "GetUser", {"UserName": "erin"}, None
    yield "GetUser", {"UserName": "ALICE"}, answer(CASE, User={"UserName": "alice"})
    yield "GetUser", {"UserName": "nobody"}, None
    yield "GetUser", {"UserName": "no body"}, error(*INVALID, CAPTURE + ", identity_inputs.json")
    yield "ListUsers", {}, None
    yield "ListUsers", {"PathPrefix": "/people/"}, None
    yield "ListUsers", {"PathPrefix": "/people/sta"}, None
    yield "ListUsers", {"PathPrefix": "/nowhere/"}, None
    yield "ListUsers", {"PathPrefix": "nowhere"}, error(*INVALID, MODEL + ": pathPrefixType")
    yield "ListUsers", {"MaxItems": 3}, answer(PAGES, IsTruncated=True)
    yield "ListUsers", {"MaxItems": 1000}, None
    yield "ListUsers", {"Marker": "nonsense"}, error(*INVALID, "IAM API Reference, common errors")
    # --- tags
    yield "TagUser", {"UserName": "alice", "Tags": [{"Key": "team", "Value": "blue"}]}, None
    yield "TagUser", {"UserName": "alice", "Tags": [{"Key": "cost", "Value": "a b/c:1"}]}, None
    yield "ListUserTags", {"UserName": "alice"}, None
    yield "TagUser", {"UserName": "alice", "Tags": [{"Key": "TEAM", "Value": "green"}]}, None
    yield "ListUserTags", {"UserName": "alice"}, answer(CAPTURE + ", tags_aws.json", Tags=[{"Key": "TEAM", "Value": "green"}, {"Key": "cost", "Value": "a b/c:1"}])
    yield "UntagUser", {"UserName": "alice", "TagKeys": ["TEAM", "team"]}, None
    yield "TagUser", {"UserName": "nobody", "Tags": [{"Key": "a", "Value": "b"}]}, None
    yield "TagUser", {"UserName": "alice", "Tags": []}, error("InvalidInput", 400, CAPTURE + ", tags_aws.json")
    yield "TagUser", {"UserName": "bob", "Tags": [{"Key": f"k{i}", "Value": ""} for i in range(50)]}, None
    yield "TagUser", {"UserName": "bob", "Tags": [{"Key": "k51", "Value": ""}]}, error("LimitExceeded", 409, QUOTAS)
    yield "ListUserTags", {"UserName": "bob", "MaxItems": 20}, answer(PAGES, IsTruncated=True)
    yield "UntagUser", {"UserName": "bob", "TagKeys": [f"k{i}" for i in range(50)]}, None
    yield "ListUserTags", {"UserName": "bob"}, None
    yield "UntagUser", {"UserName": "bob", "TagKeys": ["never"]}, None
    yield "UntagUser", {"UserName": "bob", "TagKeys": []}, None
    yield "UntagUser", {"UserName": "nobody", "TagKeys": ["a"]}, None
    yield "ListUserTags", {"UserName": "nobody"}, None
    # --- groups
    for name in ["AllUsers", "AllHumanUsers", "AllHeadlessUsers", "AllMisconfiguredUsers"]:
        yield "CreateGroup", {"GroupName": name}, None
    yield "CreateGroup", {"GroupName": "ops", "Path": "/teams/"}, None
    yield "CreateGroup", {"GroupName": "AllUsers"}, None
    yield "CreateGroup", {"GroupName": "allusers"}, error("EntityAlreadyExists", 409, CASE)
    yield "CreateGroup", {"GroupName": "g" * 128}, None
    yield "CreateGroup", {"GroupName": "g" * 129}, error(*INVALID, MODEL + ": groupNameType")
    yield "CreateGroup", {"GroupName": "g g"}, error(*INVALID, MODEL + ": groupNameType")
    yield "CreateGroup", {"GroupName": "g3", "Path": "x"}, error(*INVALID, MODEL + ": pathType")
    yield "GetGroup", {"GroupName": "AllUsers"}, None
    yield "GetGroup", {"GroupName": "nothing"}, None
    yield "GetGroup", {"GroupName": "ops"}, None
    yield "ListGroups", {}, answer(PAGES, IsTruncated=False)
    yield "ListGroups", {"PathPrefix": "/teams/"}, answer(PAGES, Groups=[{"GroupName": "ops"}], IsTruncated=False)
    yield "ListGroups", {"MaxItems": 2}, answer(PAGES, IsTruncated=True)
    # --- membership
    for user in ["alice", "bob", "carol", "erin", "frank"]:
        yield "AddUserToGroup", {"GroupName": "AllUsers", "UserName": user}, None
    yield "AddUserToGroup", {"GroupName": "AllUsers", "UserName": "alice"}, None
    yield "AddUserToGroup", {"GroupName": "allusers", "UserName": "DAVE"}, answer(CASE)
    yield "AddUserToGroup", {"GroupName": "AllUsers", "UserName": "dave"}, None
    yield "AddUserToGroup", {"GroupName": "AllHumanUsers", "UserName": "alice"}, None
    yield "AddUserToGroup", {"GroupName": "ops", "UserName": "alice"}, None
    yield "AddUserToGroup", {"GroupName": "nothing", "UserName": "alice"}, None
    yield "AddUserToGroup", {"GroupName": "AllUsers", "UserName": "nobody"}, None
    yield "AddUserToGroup", {"GroupName": "All Users", "UserName": "alice"}, error(*INVALID, MODEL + ": groupNameType")
    yield "GetGroup", {"GroupName": "AllUsers"}, answer(CASE, IsTruncated=False)
    yield "GetGroup", {"GroupName": "AllHumanUsers"}, None
    yield "GetGroup", {"GroupName": "AllUsers", "MaxItems": 2}, answer(PAGES, IsTruncated=True)
    yield "ListGroupsForUser", {"UserName": "alice"}, None
    yield "ListGroupsForUser", {"UserName": "bob"}, None
    yield "ListGroupsForUser", {"UserName": "Headless-ci"}, None
    yield "ListGroupsForUser", {"UserName": "alice", "MaxItems": 1}, answer(PAGES, IsTruncated=True)
    yield "ListGroupsForUser", {"UserName": "nobody"}, error(*MISSING, MODEL)
    yield "RemoveUserFromGroup", {"GroupName": "AllUsers", "UserName": "bob"}, None
    yield "RemoveUserFromGroup", {"GroupName": "AllUsers", "UserName": "bob"}, answer(CAPTURE + ", user_group_shapes.json; cloud-custodian#4730")
    yield "RemoveUserFromGroup", {"GroupName": "nothing", "UserName": "bob"}, None
    yield "RemoveUserFromGroup", {"GroupName": "AllUsers", "UserName": "nobody"}, None
    yield "ListGroupsForUser", {"UserName": "bob"}, None
    for number in range(1, 10):
        yield "CreateGroup", {"GroupName": f"q{number}"}, None
        yield "AddUserToGroup", {"GroupName": f"q{number}", "UserName": "carol"}, None
    yield "AddUserToGroup", {"GroupName": "ops", "UserName": "carol"}, error("LimitExceeded", 409, QUOTAS + ": 10 groups a user")
    yield "ListGroupsForUser", {"UserName": "carol"}, None
    # --- policies, as far as reading needs them
    yield "PutGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyName": "enforce-mfa", "PolicyDocument": DENY}, None
    yield "PutGroupPolicy", {"GroupName": "nothing", "PolicyName": "p", "PolicyDocument": DENY}, None
    yield "PutGroupPolicy", {"GroupName": "ops", "PolicyName": "p", "PolicyDocument": "no json"}, None
    yield "PutGroupPolicy", {"GroupName": "ops", "PolicyName": "p p", "PolicyDocument": POLICY}, error(*INVALID, MODEL + ": policyNameType")
    yield "ListGroupPolicies", {"GroupName": "AllHumanUsers"}, None
    yield "ListGroupPolicies", {"GroupName": "ops"}, None
    yield "ListGroupPolicies", {"GroupName": "nothing"}, None
    yield "GetGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyName": "enforce-mfa"}, None
    yield "GetGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyName": "none"}, None
    yield "CreatePolicy", {"PolicyName": "readers", "PolicyDocument": POLICY}, None
    yield "CreatePolicy", {"PolicyName": "pathy", "Path": "/muster/", "PolicyDocument": POLICY, "Description": "d"}, None
    yield "CreatePolicy", {"PolicyName": "readers", "PolicyDocument": POLICY}, None
    yield "CreatePolicy", {"PolicyName": "READERS", "PolicyDocument": POLICY}, error("EntityAlreadyExists", 409, CASE)
    yield "CreatePolicy", {"PolicyName": "bad", "PolicyDocument": "{}"}, None
    yield "CreatePolicy", {"PolicyName": "big", "PolicyDocument": POLICY.replace("s3:Get*", "s3:" + "x" * 6200)}, error("LimitExceeded", 409, QUOTAS)
    yield "AttachGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/readers"}, None
    yield "AttachGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/readers"}, None
    yield "AttachGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/none"}, None
    yield "AttachGroupPolicy", {"GroupName": "nothing", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/readers"}, None
    yield "AttachUserPolicy", {"UserName": "frank", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/muster/pathy"}, None
    yield "PutUserPolicy", {"UserName": "frank", "PolicyName": "own", "PolicyDocument": POLICY}, None
    yield "ListAttachedGroupPolicies", {"GroupName": "AllHumanUsers"}, None
    yield "ListAttachedGroupPolicies", {"GroupName": "ops"}, None
    yield "ListAttachedGroupPolicies", {"GroupName": "nothing"}, None
    # --- account-wide
    yield "GetAccountAuthorizationDetails", {"Filter": ["User"]}, None
    yield "GetAccountAuthorizationDetails", {"Filter": ["Group"]}, None
    yield "GetAccountAuthorizationDetails", {"Filter": ["LocalManagedPolicy"]}, None
    yield "GetAccountAuthorizationDetails", {"Filter": ["User", "Group", "LocalManagedPolicy"]}, None
    yield "GetAccountAuthorizationDetails", {"Filter": ["User", "Group"], "MaxItems": 5}, answer(PAGES, IsTruncated=True)
    yield "GetAccountAuthorizationDetails", {"Filter": ["Nonsense"]}, error(*INVALID, MODEL + ": entityListType")
    yield "GetAccountSummary", {}, answer("IAM API Reference, GetAccountSummary; " + QUOTAS, SummaryMap={"Users": 11, "Groups": 15, "UsersQuota": 5000, "GroupsQuota": 300, "GroupsPerUserQuota": 10, "AccessKeysPerUserQuota": 2, "Policies": 2})
    yield "ListAccountAliases", {}, None
    yield "CreateAccountAlias", {"AccountAlias": "test-account"}, None
    yield "ListAccountAliases", {}, None
    yield "CreateAccountAlias", {"AccountAlias": "-no"}, error(*INVALID, MODEL + ": accountAliasType")
    # --- access keys
    yield "CreateAccessKey", {"UserName": "alice"}, None
    yield "CreateAccessKey", {"UserName": "alice"}, None
    yield "CreateAccessKey", {"UserName": "alice"}, None
    yield "ListAccessKeys", {"UserName": "alice"}, None
    yield "ListAccessKeys", {"UserName": "bob"}, None
    yield "ListAccessKeys", {"UserName": "nobody"}, None
    yield "CreateAccessKey", {"UserName": "nobody"}, None
    yield "DeleteAccessKey", {"UserName": "bob", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, None
    # --- deletion, and what stands in its way
    yield "DeleteGroup", {"GroupName": "AllUsers"}, error("DeleteConflict", 409, "IAM User Guide, Delete a user group")
    yield "DeleteGroup", {"GroupName": "AllHumanUsers"}, error("DeleteConflict", 409, "IAM User Guide, Delete a user group")
    yield "RemoveUserFromGroup", {"GroupName": "AllHumanUsers", "UserName": "alice"}, None
    yield "DeleteGroup", {"GroupName": "AllHumanUsers"}, error("DeleteConflict", 409, "IAM User Guide, Delete a user group")
    yield "DeleteGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyName": "enforce-mfa"}, None
    yield "DeleteGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyName": "enforce-mfa"}, None
    yield "DetachGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/readers"}, None
    yield "DetachGroupPolicy", {"GroupName": "AllHumanUsers", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/readers"}, None
    yield "DeleteGroup", {"GroupName": "AllHumanUsers"}, None
    yield "DeleteGroup", {"GroupName": "AllHumanUsers"}, None
    yield "DeleteUser", {"UserName": "alice"}, error("DeleteConflict", 409, "IAM API Reference, DeleteUser")
    yield "DeleteUser", {"UserName": "carol"}, error("DeleteConflict", 409, "IAM API Reference, DeleteUser")
    yield "DeleteUser", {"UserName": "frank"}, None
    yield "DeleteUser", {"UserName": "dave"}, error("DeleteConflict", 409, "IAM API Reference, DeleteUser")
    yield "DeleteUser", {"UserName": "Headless-ci"}, None
    yield "DeleteUser", {"UserName": "Headless-ci"}, None
    yield "DeleteUser", {"UserName": "nobody"}, None
    yield "GetUser", {"UserName": "Headless-ci"}, None
    # --- versions of policies
    arn = f"arn:aws:iam::{ACCOUNT}:policy/readers"
    yield "GetPolicy", {"PolicyArn": arn}, None
    yield "GetPolicy", {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/none"}, None
    yield "ListPolicies", {"Scope": "Local"}, None
    yield "ListPolicies", {"Scope": "Local", "PathPrefix": "/muster/"}, answer("IAM API Reference, ListPolicies, PathPrefix", IsTruncated=False)
    yield "CreatePolicyVersion", {"PolicyArn": arn, "PolicyDocument": DENY}, None
    yield "CreatePolicyVersion", {"PolicyArn": arn, "PolicyDocument": DENY, "SetAsDefault": True}, None
    yield "CreatePolicyVersion", {"PolicyArn": arn, "PolicyDocument": "no json"}, None
    yield "CreatePolicyVersion", {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/none", "PolicyDocument": DENY}, None
    yield "ListPolicyVersions", {"PolicyArn": arn}, None
    yield "GetPolicyVersion", {"PolicyArn": arn, "VersionId": "v3"}, None
    yield "GetPolicyVersion", {"PolicyArn": arn, "VersionId": "v9"}, None
    yield "GetPolicyVersion", {"PolicyArn": arn, "VersionId": "3"}, error(*INVALID, MODEL + ": policyVersionIdType")
    yield "DeletePolicyVersion", {"PolicyArn": arn, "VersionId": "v3"}, None
    yield "SetDefaultPolicyVersion", {"PolicyArn": arn, "VersionId": "v1"}, None
    yield "SetDefaultPolicyVersion", {"PolicyArn": arn, "VersionId": "v9"}, None
    yield "DeletePolicyVersion", {"PolicyArn": arn, "VersionId": "v3"}, None
    yield "CreatePolicyVersion", {"PolicyArn": arn, "PolicyDocument": DENY}, None
    yield "ListPolicyVersions", {"PolicyArn": arn}, None
    yield "CreatePolicyVersion", {"PolicyArn": arn, "PolicyDocument": DENY}, None
    yield "CreatePolicyVersion", {"PolicyArn": arn, "PolicyDocument": DENY}, None
    yield "CreatePolicyVersion", {"PolicyArn": arn, "PolicyDocument": DENY}, None
    yield "DeletePolicy", {"PolicyArn": arn}, error("DeleteConflict", 409, "IAM API Reference, DeletePolicy: versions go first")
    for version in ["v2", "v4", "v5", "v6"]:
        yield "DeletePolicyVersion", {"PolicyArn": arn, "VersionId": version}, None
    yield "CreateGroup", {"GroupName": "carriers"}, None
    yield "AttachGroupPolicy", {"GroupName": "carriers", "PolicyArn": arn}, None
    yield "ListEntitiesForPolicy", {"PolicyArn": arn}, None
    yield "DeletePolicy", {"PolicyArn": arn}, error("DeleteConflict", 409, "IAM API Reference, DeletePolicy: detached first")
    yield "DetachGroupPolicy", {"GroupName": "carriers", "PolicyArn": arn}, None
    yield "DeletePolicy", {"PolicyArn": arn}, None
    yield "DeletePolicy", {"PolicyArn": arn}, None
    yield "GetCredentialReport", {}, None
    yield "GenerateCredentialReport", {}, None


# Members in which moto differs for reasons of its own on an otherwise right answer.
IGNORED = {
    "ListUsers": {"IsTruncated"},  # moto leaves it out; required members are checked against the model
    "ListGroups": {"IsTruncated"},
    "GetGroup": {"IsTruncated", "Tags"},  # lists of users carry no tags: IAM API Reference, GetGroup
    "ListGroupsForUser": {"IsTruncated"},
    "ListUserTags": {"IsTruncated"},
    "ListGroupPolicies": {"IsTruncated"},
    "ListAccessKeys": {"IsTruncated"},
    "ListAccountAliases": {"IsTruncated"},
    "ListAttachedGroupPolicies": {"IsTruncated"},
    "GetAccountAuthorizationDetails": {"IsTruncated", "RoleDetailList"},
    # Description, Tags and UpdateDate: moto echoes or leaves them out as it likes.
    # moto's answers carry more or fewer of the optional members of a role, a device and a policy.
    "CreateRole": {"MaxSessionDuration", "AssumeRolePolicyDocument", "RoleLastUsed", "Tags"},
    "GetRole": {"MaxSessionDuration", "RoleLastUsed", "Tags"},
    "ListRoles": {"IsTruncated", "MaxSessionDuration"},
    "ListRolePolicies": {"IsTruncated"},
    "ListMFADevices": {"IsTruncated"},
    "ListVirtualMFADevices": {"IsTruncated"},
    "ListSigningCertificates": {"IsTruncated"},
    "ListUserPolicies": {"IsTruncated"},
    "GetAccountPasswordPolicy": {"HardExpiry"},
    "GetPolicy": {"Tags"},
    "ListPolicies": {"IsTruncated"},
    "ListPolicyVersions": {"IsTruncated", "Document"},  # the list leaves the texts out: IAM API Reference, PolicyVersion
    "CreatePolicyVersion": {"Document"},
    "ListEntitiesForPolicy": {"IsTruncated"},
    "CreatePolicy": {"Description", "Tags", "UpdateDate", "PermissionsBoundaryUsageCount"},
}
IGNORED_ANYWHERE = {"CreateDate", "UpdateDate", "PasswordLastUsed", "SecretAccessKey", "UserId", "GroupId", "PolicyId", "AccessKeyId", "PermissionsBoundaryUsageCount", "Description", "RoleId", "EnableDate", "Base32StringSeed", "QRCodePNG"}


def alike(value, ignored=frozenset()):
    """Makes what may differ the same."""
    if isinstance(value, dict):
        if "DefaultVersionId" in value:  # moto gives a managed policy no name here
            ignored = ignored | {"PolicyName"}
        kept = {k: alike(v, ignored) for k, v in value.items() if k not in IGNORED_ANYWHERE and k not in ignored}
        return {k: v for k, v in kept.items() if v != []}  # empty lists may be left out
    if isinstance(value, list):
        return sorted((alike(v, ignored) for v in value), key=lambda v: json.dumps(v, sort_keys=True, default=str))
    if isinstance(value, str):
        return IDS.sub("ID", value)
    return value


def holds(expected, found):
    """Whether everything that is expected is there."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(k in found and holds(v, found[k]) for k, v in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(expected) == len(found) and all(map(holds, expected, found))
    return expected == found


def missing_members(shape, value, path):
    """Required members of botocore's model that an answer lacks."""
    if value is None or shape is None:
        return
    if shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                yield f"{path}.{name}"
        for name, member in shape.members.items():
            if name in value:
                yield from missing_members(member, value[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for number, item in enumerate(value):
            yield from missing_members(shape.member, item, f"{path}[{number}]")


class Boto:
    """Calls through boto3."""

    def __init__(self, url):
        config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
        session = boto3.session.Session("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region_name="us-east-1")
        self.client = session.client("iam", endpoint_url=url, config=config)

    def call(self, operation, parameters):
        method = getattr(self.client, botocore.xform_name(operation))
        try:
            result = method(**parameters)
        except ClientError as problem:
            return {"error": [problem.response["Error"]["Code"], problem.response["ResponseMetadata"]["HTTPStatusCode"]]}
        if not result["ResponseMetadata"].get("RequestId"):
            raise SystemExit(f"{operation}: no request id")
        del result["ResponseMetadata"]
        return {"members": result}

    def shape(self, operation):
        return self.client.meta.service_model.operation_model(operation).output_shape


class Cli:
    """Calls through the AWS CLI."""

    def __init__(self, url):
        self.url = url

    def call(self, operation, parameters):
        command = [os.path.join(os.path.dirname(sys.executable), "aws"), "--endpoint-url", self.url, "--output", "json",
                   "iam", botocore.xform_name(operation, "-"), "--cli-input-json", json.dumps(parameters)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            members = json.loads(done.stdout) if done.stdout.strip() else {}
            return {"members": members}
        code = re.search(r"\((\w+)\)", done.stderr)
        if not code:
            raise SystemExit(f"{operation}: the AWS CLI says {done.stderr}")
        return {"error": [code.group(1), None]}


def scripted(calls):
    """A script whose calls do not depend on answers."""
    for call in calls:
        yield call


def certificates():
    """Two certificates, made here and now, of nobody."""
    made = []
    for name in ["one", "two"]:
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", os.devnull, "-days", "2", "-subj", f"/CN={name}.example.com"]
        made.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return made


def compare(name, ours, theirs, make_script, model):
    """Runs one copy of the script on each side, step by step."""
    compared, known, wrong = 0, 0, []
    script, other = make_script(), make_script()
    found = judged = None
    while True:
        try:
            operation, parameters, expected = script.send(found)
            their_operation, their_parameters, _ = other.send(judged)
        except StopIteration:
            break
        if operation != their_operation:
            raise SystemExit(f"the two copies of the script have parted: {operation} and {their_operation}")
        found = ours.call(operation, parameters)
        # What IAM refuses and moto takes would leave something behind in moto's account.
        refused = expected is not None and "error" in expected
        spared = refused or operation in truth_credentials.NOT_IN_MOTO
        judged = found if spared else theirs.call(operation, their_parameters)
        compared += 1
        if "members" in found and model:
            lacking = list(missing_members(model.shape(operation), found["members"], operation))
            if lacking:
                wrong.append(f"{name} {operation} {parameters}: lacks {lacking}")
        if expected is not None:
            known += 1
            right = holds(expected.get("members"), found.get("members")) if "members" in expected else (
                found.get("error", [None])[0] == expected["error"][0] and found["error"][1] in (None, expected["error"][1]))
            if not right:
                wrong.append(f"{name} {operation} {parameters}: {found}, and by {expected['source']} {expected}")
            continue
        ignored = IGNORED.get(operation, set())
        if alike(found, ignored) != alike(judged, ignored):
            wrong.append(f"{name} {operation} {parameters}:\n  embedded {alike(found, ignored)}\n  moto     {alike(judged, ignored)}")
    return compared, known, wrong


CLI_SCRIPT = [
    ("CreateUser", {"UserName": "cli-user", "Tags": [{"Key": "a", "Value": "b"}]}, None),
    ("CreateUser", {"UserName": "cli-user"}, None),
    ("GetUser", {"UserName": "cli-user"}, None),
    ("GetUser", {"UserName": "cli-nobody"}, None),
    ("CreateGroup", {"GroupName": "cli-group"}, None),
    ("AddUserToGroup", {"GroupName": "cli-group", "UserName": "cli-user"}, None),
    ("GetGroup", {"GroupName": "cli-group"}, None),
    ("ListGroupsForUser", {"UserName": "cli-user"}, None),
    ("AddUserToGroup", {"GroupName": "cli-nothing", "UserName": "cli-user"}, None),
    ("RemoveUserFromGroup", {"GroupName": "cli-group", "UserName": "cli-user"}, None),
    ("ListUserTags", {"UserName": "cli-user"}, None),
    ("DeleteUser", {"UserName": "cli-user"}, None),
    ("DeleteGroup", {"GroupName": "cli-group"}, None),
]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--embedded", required=True)
    arguments.add_argument("--moto", required=True)
    given = arguments.parse_args()
    ours, theirs = Boto(given.embedded), Boto(given.moto)
    compared, known, wrong = compare("boto3", ours, theirs, lambda: scripted(calls()), ours)
    made = certificates()
    more = compare("boto3", ours, theirs, lambda: truth_credentials.calls(*made), ours)
    compared, known, wrong = compared + more[0], known + more[1], wrong + more[2]
    more = compare("aws", Cli(given.embedded), Cli(given.moto), lambda: scripted(CLI_SCRIPT), None)
    compared, known, wrong = compared + more[0], known + more[1], wrong + more[2]
    # What the SDKs' own checks would never let out.
    for parameters in [{}, {"UserName": ""}]:
        found = ours.call("CreateUser", parameters)
        compared += 1
        known += 1
        if found != {"error": list(INVALID)}:
            wrong.append(f"boto3 CreateUser {parameters}: {found}")
    for line in wrong:
        print(line)
    print(f"{compared} calls compared, {known} of them with the right answer written down; {len(wrong)} wrong")
    sys.exit(bool(wrong))


try:
    main()
except ParamValidationError as problem:
    sys.exit(f"the script itself is wrong: {problem}")
