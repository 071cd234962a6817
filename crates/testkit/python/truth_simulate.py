"""Simulations: the embedded account judged by AWS's published examples and rules, and by what it lets people do itself.

`truth_simulate.py EMBEDDED`: its address. It holds calls to policies; the keys in the environment are its administrator's.
"""

import json
import sys

import boto3
from botocore.exceptions import ClientError

EXAMPLES = "examples of the AWS CLI, simulate-custom-policy and simulate-principal-policy"
API = "IAM API Reference, SimulatePrincipalPolicy"
RESULT = "IAM API Reference, EvaluationResult"
GUIDE = "IAM User Guide, policy evaluation logic"
ACCOUNT = "arn:aws:iam::123456789012"
compared, wrong = 0, []


def is_so(what, source, found, expected):
    global compared
    compared += 1
    if found != expected:
        wrong.append(f"{what}: {found}, and by {source} {expected}")


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {**allow(action, resource, **more), "Effect": "Deny"}


def entry(name, *values, kind="string"):
    return {"ContextKeyName": name, "ContextKeyValues": list(values), "ContextKeyType": kind}


def outcome(call, **parameters):
    """One word for one action: the decision, or the error's code."""
    try:
        return call(**parameters)["EvaluationResults"][0]["EvalDecision"]
    except ClientError as error:
        return error.response["Error"]["Code"]


def by(result):
    return [statement["SourcePolicyId"] for statement in result["MatchedStatements"]]


def main():
    iam = boto3.client("iam", endpoint_url=sys.argv[1], region_name="us-east-1")
    custom, principal = iam.simulate_custom_policy, iam.simulate_principal_policy

    # --- the published examples
    dated = policy(allow("dynamodb:*", Condition={"DateGreaterThan": {"aws:CurrentTime": "2018-08-16T12:00:00Z"}}))
    for time, decision, matched in [("2019-04-25T11:00:00Z", "allowed", ["PolicyInputList.1"]), ("2014-04-25T11:00:00Z", "implicitDeny", [])]:
        found = custom(PolicyInputList=[dated], ActionNames=["dynamodb:CreateBackup"], ContextEntries=[entry("aws:CurrentTime", time, kind="date")])["EvaluationResults"]
        is_so(f"results of one action at {time}", EXAMPLES, len(found), 1)
        is_so(f"a date of {time}", EXAMPLES, (found[0]["EvalDecision"], by(found[0]), found[0]["MissingContextValues"], found[0]["EvalResourceName"]), (decision, matched, [], "*"))
        is_so("results of single resources where none was given", EXAMPLES, "ResourceSpecificResults" in found[0], False)
    iam.create_user(UserName="dora", Path="/staff/")
    dora = f"{ACCOUNT}:user/staff/dora"
    iam.put_user_policy(UserName="dora", PolicyName="Grant-List", PolicyDocument=policy(allow("codecommit:ListRepositories")))
    found = principal(PolicySourceArn=dora, ActionNames=["codecommit:ListRepositories"])["EvaluationResults"][0]
    is_so("a user's own policy", EXAMPLES, (found["EvalDecision"], by(found)), ("allowed", ["Grant-List"]))

    # --- whose policies count
    iam.create_group(GroupName="Staff")
    iam.put_group_policy(GroupName="Staff", PolicyName="of-staff", PolicyDocument=policy(
        allow("iam:GetUser", "arn:aws:iam::*:user/*/${aws:username}"),
        allow(["iam:ListUsers", "iam:CreateUser", "iam:DeleteUser", "iam:GetGroup"]),
        deny("iam:DeleteUser", f"{ACCOUNT}:user/*"),
        deny("iam:ListGroups", Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}),
        allow("iam:ListGroups"),
    ))
    is_so("a group's policy before one is in it", API, outcome(principal, PolicySourceArn=dora, ActionNames=["iam:ListUsers"]), "implicitDeny")
    iam.add_user_to_group(GroupName="Staff", UserName="dora")
    is_so("a group's policy", API, outcome(principal, PolicySourceArn=dora, ActionNames=["iam:ListUsers"]), "allowed")
    is_so("the group itself", API, outcome(principal, PolicySourceArn=f"{ACCOUNT}:group/Staff", ActionNames=["iam:ListUsers"]), "allowed")
    is_so("the user's policy for the group", API, outcome(principal, PolicySourceArn=f"{ACCOUNT}:group/Staff", ActionNames=["codecommit:ListRepositories"]), "implicitDeny")
    is_so("a denial wins", GUIDE, outcome(principal, PolicySourceArn=dora, ActionNames=["iam:DeleteUser"], ResourceArns=[dora]), "explicitDeny")
    is_so("a policy to try beside them", API, outcome(principal, PolicySourceArn=dora, ActionNames=["s3:ListBucket"], PolicyInputList=[policy(allow("s3:*"))]), "allowed")
    own = {"ActionNames": ["iam:GetUser"], "ResourceArns": [dora]}
    is_so("the user's own name in a variable", API, outcome(principal, PolicySourceArn=dora, **own), "allowed")
    is_so("nobody's name in a variable", API, outcome(principal, PolicySourceArn=f"{ACCOUNT}:group/Staff", **own), "implicitDeny")
    is_so("a caller's name in a variable", API, outcome(principal, PolicySourceArn=f"{ACCOUNT}:group/Staff", CallerArn=dora, **own), "allowed")
    without = principal(PolicySourceArn=dora, ActionNames=["iam:ListGroups"])["EvaluationResults"][0]
    is_so("keys that nobody gave a value", RESULT, without["MissingContextValues"], ["aws:MultiFactorAuthPresent"])
    with_mfa = [entry("aws:MultiFactorAuthPresent", "true", kind="boolean")]
    is_so("with MFA", GUIDE, outcome(principal, PolicySourceArn=dora, ActionNames=["iam:ListGroups"], ContextEntries=with_mfa), "allowed")

    # --- several actions and resources
    found = principal(PolicySourceArn=dora, ActionNames=["iam:GetUser", "iam:CreateUser"], ResourceArns=[dora, f"{ACCOUNT}:user/staff/eve"])["EvaluationResults"]
    is_so("one result an action", RESULT, [result["EvalActionName"] for result in found], ["iam:GetUser", "iam:CreateUser"])
    is_so("the strictest of all resources", RESULT, [result["EvalDecision"] for result in found], ["implicitDeny", "allowed"])
    each = {result["EvalResourceName"]: result["EvalResourceDecision"] for result in found[0]["ResourceSpecificResults"]}
    is_so("each resource", RESULT, each, {dora: "allowed", f"{ACCOUNT}:user/staff/eve": "implicitDeny"})
    pages = iam.get_paginator("simulate_principal_policy").paginate(PolicySourceArn=dora, ActionNames=["iam:GetUser", "iam:ListUsers", "iam:GetGroup"], PaginationConfig={"PageSize": 1})
    names = [[result["EvalActionName"] for result in page["EvaluationResults"]] for page in pages]
    is_so("pages", API, names, [["iam:GetUser"], ["iam:ListUsers"], ["iam:GetGroup"]])

    # --- boundaries
    limit = policy(allow("iam:ListUsers"), deny("iam:GetGroup"))
    for action, decision, within in [("iam:ListUsers", "allowed", True), ("iam:CreateUser", "implicitDeny", False), ("iam:GetGroup", "explicitDeny", False)]:
        found = principal(PolicySourceArn=dora, ActionNames=[action], PermissionsBoundaryPolicyInputList=[limit])["EvaluationResults"][0]
        is_so(f"{action} within a boundary", GUIDE, (found["EvalDecision"], found["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]), (decision, within))

    # --- bad input
    for what, call, parameters, error in [
        ("a user that is not there", principal, {"PolicySourceArn": f"{ACCOUNT}:user/nobody", "ActionNames": ["iam:GetUser"]}, "NoSuchEntity"),
        ("a user under another path", principal, {"PolicySourceArn": f"{ACCOUNT}:user/dora", "ActionNames": ["iam:GetUser"]}, "NoSuchEntity"),
        ("a policy for a user", principal, {"PolicySourceArn": "arn:aws:iam::aws:policy/AdministratorAccess", "ActionNames": ["iam:GetUser"]}, "InvalidInput"),
        ("an action with a wildcard", principal, {"PolicySourceArn": dora, "ActionNames": ["iam:*"]}, "InvalidInput"),
        ("an action without a service", principal, {"PolicySourceArn": dora, "ActionNames": ["GetUser"]}, "InvalidInput"),
        ("a caller that is not there", principal, {"PolicySourceArn": dora, "ActionNames": ["iam:GetUser"], "CallerArn": f"{ACCOUNT}:user/nobody"}, "InvalidInput"),
        ("a policy that is none", custom, {"PolicyInputList": ["{"], "ActionNames": ["iam:GetUser"]}, "MalformedPolicyDocument"),
    ]:
        is_so(what, API, outcome(call, **parameters), error)

    # --- what is simulated is what happens
    key = iam.create_access_key(UserName="dora")["AccessKey"]
    hers = boto3.client("iam", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    eve, staff = f"{ACCOUNT}:user/staff/eve", f"{ACCOUNT}:group/Staff"
    for method, parameters, action, resource in [
        ("list_users", {"PathPrefix": "/"}, "iam:ListUsers", f"{ACCOUNT}:user/"),
        ("list_groups", {}, "iam:ListGroups", f"{ACCOUNT}:group/"),
        ("get_group", {"GroupName": "Staff"}, "iam:GetGroup", staff),
        ("delete_group", {"GroupName": "Staff"}, "iam:DeleteGroup", staff),
        ("create_user", {"UserName": "eve", "Path": "/staff/"}, "iam:CreateUser", eve),
        ("get_user", {"UserName": "dora"}, "iam:GetUser", dora),
        ("get_user", {"UserName": "eve"}, "iam:GetUser", eve),
        ("delete_user", {"UserName": "eve"}, "iam:DeleteUser", eve),
        ("simulate_principal_policy", {"PolicySourceArn": dora, "ActionNames": ["iam:GetUser"]}, "iam:SimulatePrincipalPolicy", dora),
    ]:
        found = principal(PolicySourceArn=dora, ActionNames=[action], ResourceArns=[resource])["EvaluationResults"][0]
        try:
            getattr(hers, method)(**parameters)
            happened = True
        except ClientError as error:
            is_so(f"how {method} is refused", GUIDE, error.response["Error"]["Code"], "AccessDenied")
            happened = False
        is_so(f"{method} of {resource}", "its own simulation", happened, found["EvalDecision"] == "allowed")

    for line in wrong:
        print(line)
    print(f"{compared} answers compared; {len(wrong)} wrong")
    sys.exit(bool(wrong))


main()
