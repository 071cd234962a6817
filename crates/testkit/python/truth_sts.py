"""Sessions: the embedded account judged by moto where moto is right, and by what AWS documents where it is not.

`truth_sts.py EMBEDDED MOTO`: two addresses. boto3 signs; the embedded account checks.
"""

import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from truth_credentials import code

ROOT = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
STS = "AWS STS API Reference"
GUIDE = "IAM User Guide"
CAPTURE = "captures of real answers"
TRUST = """{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:%s"},
 "Action":"sts:AssumeRole"%s}]}"""
MFA = ',"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}'
EXTERNAL = ',"Condition":{"StringEquals":{"sts:ExternalId":"4711"}}'
compared, wrong = 0, []


def client(service, url, keys):
    config = Config(retries={"max_attempts": 0}, parameter_validation=False)
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", config=config, **keys)


def keys_of(credentials):
    return {"aws_access_key_id": credentials["AccessKeyId"], "aws_secret_access_key": credentials["SecretAccessKey"], "aws_session_token": credentials["SessionToken"]}


def shape(value):
    """What is there, without what is drawn."""
    if isinstance(value, dict):
        # The packed size is of session policies and tags, and there are none: AWS leaves it out then.
        return {name: shape(inner) for name, inner in value.items() if name not in ("ResponseMetadata", "PackedPolicySize")}
    return type(value).__name__


class Side:
    def __init__(self, url):
        self.url = url
        self.iam = client("iam", url, ROOT)
        self.keys = {}

    def call(self, service, keys, operation, **parameters):
        try:
            answer = getattr(client(service, self.url, keys), operation)(**parameters)
            return {"members": answer}
        except ClientError as error:
            return {"error": (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])}


def same(what, ours, theirs):
    """The two have answered alike."""
    global compared
    compared += 1
    a, b = shape(ours.get("members")), shape(theirs.get("members"))
    if a != b or ours.get("error") != theirs.get("error"):
        wrong.append(f"{what}:\n  embedded {ours.get('error') or a}\n  moto     {theirs.get('error') or b}")


def is_so(what, source, found, expected):
    """By this source the answer is this error, or one without an error."""
    global compared
    compared += 1
    if found.get("error") != expected:
        wrong.append(f"{what}: {found}, and by {source} {expected}")


def main():
    ours, theirs = Side(sys.argv[1]), Side(sys.argv[2])
    for side in (ours, theirs):
        side.iam.create_user(UserName="ann")
        made = side.iam.create_access_key(UserName="ann")["AccessKey"]
        side.keys = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
        side.iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST % ("user/ann", ""))
        side.role = side.iam.get_role(RoleName="r")["Role"]["Arn"]
    denied, invalid, unknown = ("AccessDenied", 403), ("ValidationError", 400), ("InvalidClientTokenId", 403)

    both = lambda service, operation, **parameters: (ours.call(service, ours.keys, operation, **parameters), theirs.call(service, theirs.keys, operation, **parameters))
    same("identity of a user", *both("sts", "get_caller_identity"))
    same("a session", *both("sts", "get_session_token"))
    same("a session for an hour", *both("sts", "get_session_token", DurationSeconds=3600))
    for seconds in [0, 899, 129601]:
        is_so(f"a session of {seconds} s", STS, ours.call("sts", ours.keys, "get_session_token", DurationSeconds=seconds), invalid)
    for seconds in [900, 129600]:
        is_so(f"a session of {seconds} s", STS, ours.call("sts", ours.keys, "get_session_token", DurationSeconds=seconds), None)
    sessions = [side.call("sts", side.keys, "get_session_token")["members"]["Credentials"] for side in (ours, theirs)]
    first, second = keys_of(sessions[0]), keys_of(sessions[1])
    same("identity in a session", ours.call("sts", first, "get_caller_identity"), theirs.call("sts", second, "get_caller_identity"))
    is_so("IAM without MFA", STS, ours.call("iam", first, "list_access_keys", UserName="ann"), unknown)
    is_so("a session from a session", STS, ours.call("sts", first, "get_session_token"), denied)
    is_so("another token", CAPTURE, ours.call("sts", {**first, "aws_session_token": "x" * 200}, "get_caller_identity"), unknown)
    is_so("no token", CAPTURE, ours.call("sts", {k: v for k, v in first.items() if k != "aws_session_token"}, "get_caller_identity"), unknown)
    is_so("another secret", GUIDE, ours.call("sts", {**first, "aws_secret_access_key": "x"}, "get_caller_identity"), ("SignatureDoesNotMatch", 403))

    # --- codes
    device = ours.iam.create_virtual_mfa_device(VirtualMFADeviceName="ann")["VirtualMFADevice"]
    seed, serial, now = device["Base32StringSeed"].decode(), device["SerialNumber"], int(time.time()) // 30
    ours.iam.enable_mfa_device(UserName="ann", SerialNumber=serial, AuthenticationCode1=code(seed, now - 2), AuthenticationCode2=code(seed, now - 1))
    mfa = lambda text, **more: ours.call("sts", ours.keys, "get_session_token", SerialNumber=serial, TokenCode=text, **more)
    is_so("a code of the enrolment again", CAPTURE, mfa(code(seed, now - 1)), denied)
    is_so("a code of long ago", CAPTURE, mfa(code(seed, now - 50)), denied)
    is_so("a wrong code", CAPTURE, mfa("000000"), denied)
    is_so("no code", STS, mfa("12345"), invalid)
    is_so("a code without a device", STS, ours.call("sts", ours.keys, "get_session_token", TokenCode="123456"), invalid)
    is_so("another's device", CAPTURE, ours.call("sts", ours.keys, "get_session_token", SerialNumber=serial + "x", TokenCode="123456"), denied)
    good = mfa(code(seed, now))
    is_so("a right code", STS, good, None)
    is_so("the same code again", CAPTURE, mfa(code(seed, now)), denied)
    with_mfa = keys_of(good["members"]["Credentials"])
    is_so("IAM with MFA", STS, ours.call("iam", with_mfa, "list_access_keys", UserName="ann"), None)
    is_so("one's own device without MFA", CAPTURE, ours.call("iam", ours.keys, "deactivate_mfa_device", UserName="ann", SerialNumber=serial), denied)
    for _ in range(9):
        mfa("000000")
    is_so("a right code after nine wrong ones", CAPTURE, mfa(code(seed, now + 1)), denied)

    # --- roles
    role = lambda side, keys, **more: side.call("sts", keys, "assume_role", **{"RoleArn": side.role, "RoleSessionName": "night", **more})
    same("a role", role(ours, ours.keys), role(theirs, theirs.keys))
    taken = role(ours, ours.keys)["members"]
    assumed, other = keys_of(taken["Credentials"]), keys_of(role(theirs, theirs.keys)["members"]["Credentials"])
    same("identity in a role", ours.call("sts", assumed, "get_caller_identity"), theirs.call("sts", other, "get_caller_identity"))
    arn = ours.call("sts", assumed, "get_caller_identity")["members"]["Arn"]
    is_so("the ARN of a role's session", STS, {"error": arn}, "arn:aws:sts::123456789012:assumed-role/r/night")
    for more in [{"DurationSeconds": 899}, {"DurationSeconds": 43201}, {"DurationSeconds": 7200}, {"RoleSessionName": "x"}, {"RoleSessionName": "a b"}, {"ExternalId": "x"}]:
        is_so(f"a role with {more}", STS, role(ours, ours.keys, **more), invalid)
    is_so("a role by root", GUIDE, role(ours, ROOT), denied)
    is_so("a role that is not there", STS, role(ours, ours.keys, RoleArn=ours.role + "x"), denied)
    for name, principal, condition, more, expected in [
        ("another user's", "user/bob", "", {}, denied),
        ("with MFA", "user/ann", MFA, {}, denied),
        ("with an external id", "user/ann", EXTERNAL, {}, denied),
        ("with another external id", "user/ann", EXTERNAL, {"ExternalId": "4712"}, denied),
        ("with its external id", "user/ann", EXTERNAL, {"ExternalId": "4711"}, None),
        ("of the account", "root", "", {}, None),
    ]:
        number = compared
        ours.iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=TRUST % (principal, condition), MaxSessionDuration=7200)
        arn = ours.role + str(number)
        is_so(f"a role {name}", GUIDE, role(ours, ours.keys, RoleArn=arn, DurationSeconds=7200, **more), expected)
        with_session = None if name == "with MFA" else expected
        is_so(f"a role {name} in an MFA session", GUIDE, role(ours, with_mfa, RoleArn=arn, **more), with_session)

    # --- keys and users that go
    ours.iam.update_access_key(UserName="ann", AccessKeyId=ours.keys["aws_access_key_id"], Status="Inactive")
    is_so("an inactive key", GUIDE, ours.call("sts", ours.keys, "get_caller_identity"), unknown)
    is_so("its session", "reported by those who answer to incidents: sessions outlive the key they were made with", ours.call("sts", with_mfa, "get_caller_identity"), None)
    for line in wrong:
        print(line)
    print(f"{compared} calls compared; {len(wrong)} wrong")
    sys.exit(bool(wrong))


main()
