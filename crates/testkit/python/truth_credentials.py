"""The calls of truth.py that are about credentials: what one answers is what the next one asks with.

Each side runs its own copy of this, because ids and seeds differ; `reply = yield operation, parameters, expectation`.
"""

import base64
import hashlib
import hmac
import struct
import time

MODEL = "service model iam/2010-05-08"
GUIDE = "IAM User Guide, Remove a user; IAM API Reference, DeleteUser"
QUOTAS = "IAM User Guide, IAM and AWS STS quotas"
POLICY = "IAM User Guide, Account password policy"
CAPTURE = "captures of real answers, stackd testdata/aws/iam"
CALLER = "IAM API Reference: without UserName the caller is meant"

# Operations that moto does not have, or does not have in earnest.
NOT_IN_MOTO = {
    "CreateServiceSpecificCredential", "ListServiceSpecificCredentials", "UpdateServiceSpecificCredential",
    "ResetServiceSpecificCredential", "DeleteServiceSpecificCredential", "ResyncMFADevice",
    "PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary", "ListMFADeviceTags", "TagMFADevice",
}

GOOD = "Correct-Horse-7-EXAMPLE"
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
DENY = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'


def error(code, status, source):
    return {"error": [code, status], "source": source}


def answer(source, **members):
    return {"members": members, "source": source}


def code(seed, step):
    """RFC 6238, by hand."""
    key = base64.b32decode(seed)
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[19] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


def rsa_key(number):
    """An RSA public key in OpenSSH's form, of 2048 bits that nobody has the other half of."""
    def field(data):
        return struct.pack(">I", len(data)) + data

    modulus = b"\0" + hashlib.sha512(bytes([number])).digest() * 4
    modulus = b"\0\xff" + modulus[2:]
    blob = field(b"ssh-rsa") + field(b"\1\0\1") + field(modulus)
    return "ssh-rsa " + base64.b64encode(blob).decode() + " somebody@EXAMPLE"


def calls(certificate, other_certificate):
    missing = ("NoSuchEntity", 404)
    invalid = ("ValidationError", 400)
    for name in ["u1", "u2", "u3"]:
        yield "CreateUser", {"UserName": name}, None
    yield "CreateGroup", {"GroupName": "g1"}, None

    # --- the password policy, which is not partial
    yield "GetAccountPasswordPolicy", {}, None
    yield "DeleteAccountPasswordPolicy", {}, None
    yield "UpdateAccountPasswordPolicy", {"MinimumPasswordLength": 5}, error(*invalid, MODEL)
    yield "UpdateAccountPasswordPolicy", {"MinimumPasswordLength": 129}, error(*invalid, MODEL)
    yield "UpdateAccountPasswordPolicy", {"MaxPasswordAge": 0}, error(*invalid, MODEL)
    yield "UpdateAccountPasswordPolicy", {"PasswordReusePrevention": 25}, error(*invalid, MODEL)
    yield "CreateLoginProfile", {"UserName": "u1", "Password": "short"}, error("PasswordPolicyViolation", 400, POLICY)
    yield "CreateLoginProfile", {"UserName": "u1", "Password": "alllowercase"}, error("PasswordPolicyViolation", 400, POLICY)
    yield "UpdateAccountPasswordPolicy", {"MinimumPasswordLength": 12, "RequireSymbols": True, "RequireNumbers": True, "AllowUsersToChangePassword": True, "MaxPasswordAge": 90, "PasswordReusePrevention": 3}, None
    yield "GetAccountPasswordPolicy", {}, None
    for bad in ["Short-1", "NoNumber-here", "NoSymbol1here"]:
        yield "CreateLoginProfile", {"UserName": "u1", "Password": bad}, error("PasswordPolicyViolation", 400, POLICY)
    yield "UpdateAccountPasswordPolicy", {"RequireUppercaseCharacters": True}, None
    yield "GetAccountPasswordPolicy", {}, answer("IAM API Reference, UpdateAccountPasswordPolicy: what is left out goes back to its default", PasswordPolicy={"MinimumPasswordLength": 6, "RequireSymbols": False, "RequireUppercaseCharacters": True, "ExpirePasswords": False})
    yield "CreateLoginProfile", {"UserName": "u1", "Password": "alllower"}, error("PasswordPolicyViolation", 400, POLICY)
    yield "DeleteAccountPasswordPolicy", {}, None
    yield "GetAccountPasswordPolicy", {}, None

    # --- login profiles
    yield "GetLoginProfile", {"UserName": "u1"}, None
    yield "GetLoginProfile", {"UserName": "nobody"}, None
    yield "DeleteLoginProfile", {"UserName": "u1"}, None
    yield "UpdateLoginProfile", {"UserName": "u1", "Password": GOOD}, None
    yield "CreateLoginProfile", {"UserName": "nobody", "Password": GOOD}, None
    yield "CreateLoginProfile", {"UserName": "u1", "Password": GOOD, "PasswordResetRequired": True}, answer("IAM API Reference, CreateLoginProfile", LoginProfile={"UserName": "u1", "PasswordResetRequired": True})
    yield "CreateLoginProfile", {"UserName": "u1", "Password": GOOD}, None
    yield "GetLoginProfile", {"UserName": "u1"}, answer("IAM API Reference, GetLoginProfile", LoginProfile={"UserName": "u1", "PasswordResetRequired": True})
    yield "UpdateLoginProfile", {"UserName": "u1"}, answer(CAPTURE + ", login_profile_aws.json")
    yield "GetLoginProfile", {"UserName": "u1"}, answer(CAPTURE + ": a flag left out keeps its value", LoginProfile={"PasswordResetRequired": True})
    yield "UpdateLoginProfile", {"UserName": "u1", "Password": "Another-Horse-8-EXAMPLE", "PasswordResetRequired": False}, answer(MODEL)
    yield "GetLoginProfile", {"UserName": "u1"}, answer("IAM API Reference, UpdateLoginProfile", LoginProfile={"PasswordResetRequired": False})
    yield "UpdateLoginProfile", {"UserName": "u1", "Password": "x"}, error("PasswordPolicyViolation", 400, POLICY)
    yield "DeleteUser", {"UserName": "u1"}, error("DeleteConflict", 409, GUIDE)
    yield "DeleteLoginProfile", {"UserName": "u1"}, answer(MODEL)
    yield "DeleteLoginProfile", {"UserName": "u1"}, None
    yield "CreateLoginProfile", {"Password": GOOD}, error(*invalid, CALLER)
    yield "ChangePassword", {"OldPassword": GOOD, "NewPassword": GOOD}, error("InvalidUserType", 400, MODEL)

    # --- access keys
    made = yield "CreateAccessKey", {"UserName": "u1"}, None
    key = made["members"]["AccessKey"]["AccessKeyId"]
    yield "GetAccessKeyLastUsed", {"AccessKeyId": key}, answer("IAM API Reference, AccessKeyLastUsed", UserName="u1", AccessKeyLastUsed={"ServiceName": "N/A", "Region": "N/A"})
    yield "GetAccessKeyLastUsed", {"AccessKeyId": "AKIAIOSFODNN7NOBODYS"}, None
    yield "UpdateAccessKey", {"UserName": "u1", "AccessKeyId": key, "Status": "Inactive"}, None
    yield "ListAccessKeys", {"UserName": "u1"}, None
    yield "UpdateAccessKey", {"UserName": "u1", "AccessKeyId": key, "Status": "Active"}, None
    yield "ListAccessKeys", {"UserName": "u1"}, None
    yield "UpdateAccessKey", {"UserName": "u1", "AccessKeyId": key, "Status": "Expired"}, error("InvalidInput", 400, CAPTURE)
    yield "UpdateAccessKey", {"UserName": "u1", "AccessKeyId": key, "Status": "Sleeping"}, error(*invalid, MODEL)
    yield "UpdateAccessKey", {"UserName": "u2", "AccessKeyId": key, "Status": "Inactive"}, None
    yield "UpdateAccessKey", {"UserName": "nobody", "AccessKeyId": key, "Status": "Inactive"}, None
    yield "UpdateAccessKey", {"UserName": "u1", "AccessKeyId": "short", "Status": "Inactive"}, error(*invalid, MODEL)
    yield "DeleteUser", {"UserName": "u1"}, error("DeleteConflict", 409, GUIDE)
    yield "DeleteAccessKey", {"UserName": "u2", "AccessKeyId": key}, None
    yield "DeleteAccessKey", {"UserName": "u1", "AccessKeyId": key}, None
    yield "DeleteAccessKey", {"UserName": "u1", "AccessKeyId": key}, None
    yield "ListAccessKeys", {"UserName": "u1"}, None

    # --- virtual MFA devices
    yield "ListVirtualMFADevices", {}, None
    made = yield "CreateVirtualMFADevice", {"VirtualMFADeviceName": "u1"}, None
    device, seed = made["members"]["VirtualMFADevice"]["SerialNumber"], made["members"]["VirtualMFADevice"]["Base32StringSeed"].decode()
    yield "CreateVirtualMFADevice", {"VirtualMFADeviceName": "u1"}, None
    yield "CreateVirtualMFADevice", {"VirtualMFADeviceName": "a b"}, error(*invalid, MODEL)
    yield "CreateVirtualMFADevice", {"VirtualMFADeviceName": "u9", "Path": "nowhere"}, error(*invalid, MODEL)
    yield "CreateVirtualMFADevice", {"VirtualMFADeviceName": "spare", "Path": "/team/"}, None
    yield "ListVirtualMFADevices", {"AssignmentStatus": "Unassigned"}, None
    yield "ListVirtualMFADevices", {"AssignmentStatus": "Assigned"}, None
    yield "ListVirtualMFADevices", {"AssignmentStatus": "Lost"}, error(*invalid, MODEL)
    yield "ListMFADevices", {"UserName": "u1"}, None
    yield "ListMFADevices", {"UserName": "nobody"}, error(*missing, MODEL)
    step = int(time.time()) // 30
    wrong = error("InvalidAuthenticationCode", 403, "IAM API Reference, EnableMFADevice; " + CAPTURE)
    enable = {"UserName": "u1", "SerialNumber": device}
    for first, second in [("000000", "000001"), (code(seed, step), code(seed, step)), (code(seed, step), code(seed, step - 1)), (code(seed, step - 2), code(seed, step))]:
        yield "EnableMFADevice", {**enable, "AuthenticationCode1": first, "AuthenticationCode2": second}, wrong
    yield "EnableMFADevice", {**enable, "AuthenticationCode1": "12345", "AuthenticationCode2": "123456"}, error(*invalid, MODEL)
    yield "EnableMFADevice", {**enable, "SerialNumber": device + "x", "AuthenticationCode1": "123456", "AuthenticationCode2": "123457"}, error(*missing, MODEL)
    good = {"AuthenticationCode1": code(seed, step - 1), "AuthenticationCode2": code(seed, step)}
    yield "EnableMFADevice", {**enable, **good, "UserName": "nobody"}, error(*missing, MODEL)
    yield "EnableMFADevice", {**enable, **good}, None
    yield "EnableMFADevice", {**enable, **good}, error("EntityAlreadyExists", 409, CAPTURE)
    yield "EnableMFADevice", {**enable, **good, "UserName": "u2"}, error("EntityAlreadyExists", 409, CAPTURE)
    yield "ListMFADevices", {"UserName": "u1"}, None
    yield "ListVirtualMFADevices", {"AssignmentStatus": "Assigned"}, answer("IAM API Reference, ListVirtualMFADevices", VirtualMFADevices=[{"SerialNumber": device, "User": {"UserName": "u1"}}])
    yield "ListVirtualMFADevices", {"AssignmentStatus": "Unassigned"}, None
    yield "DeleteVirtualMFADevice", {"SerialNumber": device}, error("DeleteConflict", 409, CAPTURE)
    yield "DeleteUser", {"UserName": "u1"}, error("DeleteConflict", 409, GUIDE)
    resync = {**enable, "AuthenticationCode1": code(seed, step + 1), "AuthenticationCode2": code(seed, step + 2)}
    yield "ResyncMFADevice", resync, answer("IAM API Reference, ResyncMFADevice")
    yield "ResyncMFADevice", resync, error("InvalidAuthenticationCode", 403, CAPTURE + ": codes are used once")
    yield "ResyncMFADevice", {**resync, "UserName": "u2"}, error(*missing, CAPTURE)
    yield "TagMFADevice", {"SerialNumber": device, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]}, answer(MODEL)
    yield "ListMFADeviceTags", {"SerialNumber": device}, answer(MODEL, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    yield "ListMFADeviceTags", {"SerialNumber": device + "x"}, error(*missing, MODEL)
    yield "DeactivateMFADevice", {"UserName": "u2", "SerialNumber": device}, error(*missing, CAPTURE)
    yield "DeactivateMFADevice", {"UserName": "u1", "SerialNumber": device}, None
    yield "DeactivateMFADevice", {"UserName": "u1", "SerialNumber": device}, error(*missing, CAPTURE)
    yield "ListMFADevices", {"UserName": "u1"}, None
    yield "EnableMFADevice", {**enable, **good}, error("InvalidAuthenticationCode", 403, CAPTURE + ": codes used before cannot enable it again")
    yield "DeleteVirtualMFADevice", {"SerialNumber": device}, None
    yield "DeleteVirtualMFADevice", {"SerialNumber": device}, None
    yield "ListVirtualMFADevices", {}, None

    # --- SSH public keys
    made = yield "UploadSSHPublicKey", {"UserName": "u1", "SSHPublicKeyBody": rsa_key(1)}, answer("IAM API Reference, UploadSSHPublicKey", SSHPublicKey={"UserName": "u1", "Status": "Active"})
    ssh = made["members"]["SSHPublicKey"]["SSHPublicKeyId"]
    yield "UploadSSHPublicKey", {"UserName": "u1", "SSHPublicKeyBody": rsa_key(1)}, error("DuplicateSSHPublicKey", 400, "IAM API Reference, UploadSSHPublicKey")
    yield "UploadSSHPublicKey", {"UserName": "u1", "SSHPublicKeyBody": "ssh-rsa rubbish"}, error("InvalidPublicKey", 400, MODEL)
    yield "UploadSSHPublicKey", {"UserName": "u1", "SSHPublicKeyBody": "no key"}, error("UnrecognizedPublicKeyEncoding", 400, MODEL)
    yield "UploadSSHPublicKey", {"UserName": "nobody", "SSHPublicKeyBody": rsa_key(1)}, None
    yield "ListSSHPublicKeys", {"UserName": "u1"}, answer(MODEL, SSHPublicKeys=[{"UserName": "u1", "SSHPublicKeyId": ssh, "Status": "Active"}])
    yield "UpdateSSHPublicKey", {"UserName": "u1", "SSHPublicKeyId": ssh, "Status": "Inactive"}, None
    yield "ListSSHPublicKeys", {"UserName": "u1"}, answer(MODEL, SSHPublicKeys=[{"Status": "Inactive"}])
    yield "UpdateSSHPublicKey", {"UserName": "u2", "SSHPublicKeyId": ssh, "Status": "Active"}, None
    for number in range(2, 6):
        yield "UploadSSHPublicKey", {"UserName": "u1", "SSHPublicKeyBody": rsa_key(number)}, answer(QUOTAS + ": five a user")
    yield "UploadSSHPublicKey", {"UserName": "u1", "SSHPublicKeyBody": rsa_key(6)}, error("LimitExceeded", 409, QUOTAS)
    listed = yield "ListSSHPublicKeys", {"UserName": "u1", "MaxItems": 1000}, answer(MODEL, IsTruncated=False)
    yield "ListSSHPublicKeys", {"UserName": "u1", "MaxItems": 2}, answer("IAM API Reference, MaxItems", IsTruncated=True)
    yield "DeleteUser", {"UserName": "u1"}, error("DeleteConflict", 409, GUIDE)
    for one in listed["members"]["SSHPublicKeys"]:
        yield "DeleteSSHPublicKey", {"UserName": "u1", "SSHPublicKeyId": one["SSHPublicKeyId"]}, answer(MODEL)
    yield "DeleteSSHPublicKey", {"UserName": "u1", "SSHPublicKeyId": ssh}, None

    # --- signing certificates
    made = yield "UploadSigningCertificate", {"UserName": "u1", "CertificateBody": certificate}, answer(MODEL, Certificate={"UserName": "u1", "Status": "Active"})
    cert = made["members"]["Certificate"]["CertificateId"]
    yield "UploadSigningCertificate", {"UserName": "u1", "CertificateBody": "no certificate"}, error("MalformedCertificate", 400, MODEL)
    yield "UploadSigningCertificate", {"UserName": "u2", "CertificateBody": certificate}, error("DuplicateCertificate", 409, CAPTURE)
    yield "UploadSigningCertificate", {"UserName": "nobody", "CertificateBody": other_certificate}, None
    yield "ListSigningCertificates", {"UserName": "u1"}, answer(MODEL, Certificates=[{"CertificateId": cert, "Status": "Active"}])
    yield "UpdateSigningCertificate", {"UserName": "u1", "CertificateId": cert, "Status": "Inactive"}, None
    yield "ListSigningCertificates", {"UserName": "u1"}, answer(MODEL, Certificates=[{"CertificateId": cert, "Status": "Inactive"}])
    yield "UpdateSigningCertificate", {"UserName": "u1", "CertificateId": "A" * 32, "Status": "Inactive"}, None
    yield "DeleteUser", {"UserName": "u1"}, error("DeleteConflict", 409, GUIDE)
    yield "DeleteSigningCertificate", {"UserName": "u1", "CertificateId": cert}, None
    yield "DeleteSigningCertificate", {"UserName": "u1", "CertificateId": cert}, error(*missing, MODEL)
    yield "ListSigningCertificates", {"UserName": "u1"}, None

    # --- service-specific credentials, of all services in one list
    ids = []
    for service in ["codecommit.amazonaws.com", "codecommit.amazonaws.com", "bedrock.amazonaws.com"]:
        made = yield "CreateServiceSpecificCredential", {"UserName": "u1", "ServiceName": service}, answer(MODEL, ServiceSpecificCredential={"UserName": "u1", "Status": "Active", "ServiceName": service})
        if "members" in made:
            ids.append(made["members"]["ServiceSpecificCredential"]["ServiceSpecificCredentialId"])
    yield "CreateServiceSpecificCredential", {"UserName": "u1", "ServiceName": "codecommit.amazonaws.com"}, error("LimitExceeded", 409, MODEL)
    yield "CreateServiceSpecificCredential", {"UserName": "u1", "ServiceName": "toaster.amazonaws.com"}, error(*missing, CAPTURE)
    yield "CreateServiceSpecificCredential", {"UserName": "nobody", "ServiceName": "codecommit.amazonaws.com"}, error(*missing, MODEL)
    listed = yield "ListServiceSpecificCredentials", {"UserName": "u1"}, answer(MODEL, ServiceSpecificCredentials=[{}, {}, {}])
    yield "ListServiceSpecificCredentials", {"UserName": "u1", "ServiceName": "bedrock.amazonaws.com"}, answer(MODEL, ServiceSpecificCredentials=[{"ServiceName": "bedrock.amazonaws.com"}])
    for one in ids:
        yield "UpdateServiceSpecificCredential", {"UserName": "u1", "ServiceSpecificCredentialId": one, "Status": "Inactive"}, answer(MODEL)
        yield "ResetServiceSpecificCredential", {"UserName": "u1", "ServiceSpecificCredentialId": one}, answer(MODEL, ServiceSpecificCredential={"Status": "Inactive"})
    yield "DeleteUser", {"UserName": "u1"}, error("DeleteConflict", 409, GUIDE)
    for one in ids:
        yield "DeleteServiceSpecificCredential", {"UserName": "u1", "ServiceSpecificCredentialId": one}, answer(MODEL)
        yield "DeleteServiceSpecificCredential", {"UserName": "u1", "ServiceSpecificCredentialId": one}, error(*missing, MODEL)
    yield "ListServiceSpecificCredentials", {"UserName": "u1"}, answer(MODEL, ServiceSpecificCredentials=[])

    # --- policies and a boundary of a user
    made = yield "CreatePolicy", {"PolicyName": "bound", "PolicyDocument": DENY}, None
    arn = made["members"]["Policy"]["Arn"]
    yield "PutUserPermissionsBoundary", {"UserName": "u1", "PermissionsBoundary": arn}, answer(MODEL)
    yield "PutUserPermissionsBoundary", {"UserName": "u1", "PermissionsBoundary": arn + "x"}, error(*missing, MODEL)
    yield "GetUser", {"UserName": "u1"}, answer(MODEL, User={"PermissionsBoundary": {"PermissionsBoundaryArn": arn}})
    yield "DeleteUserPermissionsBoundary", {"UserName": "u1"}, answer(MODEL)
    yield "DeleteUserPermissionsBoundary", {"UserName": "u1"}, error(*missing, CAPTURE)
    yield "AttachUserPolicy", {"UserName": "u1", "PolicyArn": arn}, None
    yield "DeleteUser", {"UserName": "u1"}, None
    yield "DetachUserPolicy", {"UserName": "u1", "PolicyArn": arn}, None
    yield "DetachUserPolicy", {"UserName": "u1", "PolicyArn": arn}, None
    yield "PutUserPolicy", {"UserName": "u1", "PolicyName": "p", "PolicyDocument": DENY}, None
    yield "GetUserPolicy", {"UserName": "u1", "PolicyName": "p"}, None
    yield "ListUserPolicies", {"UserName": "u1"}, None
    yield "DeleteUser", {"UserName": "u1"}, None
    yield "DeleteUserPolicy", {"UserName": "u1", "PolicyName": "p"}, None
    yield "AddUserToGroup", {"UserName": "u1", "GroupName": "g1"}, None
    yield "DeleteUser", {"UserName": "u1"}, error("DeleteConflict", 409, GUIDE)
    yield "RemoveUserFromGroup", {"UserName": "u1", "GroupName": "g1"}, None
    yield "DeleteUser", {"UserName": "u1"}, None
    yield "GetUser", {"UserName": "u1"}, None

    # --- roles
    yield "CreateRole", {"RoleName": "r1", "AssumeRolePolicyDocument": TRUST}, None
    yield "CreateRole", {"RoleName": "r1", "AssumeRolePolicyDocument": TRUST}, None
    yield "CreateRole", {"RoleName": "R1", "AssumeRolePolicyDocument": TRUST}, error("EntityAlreadyExists", 409, "IAM User Guide, quotas page: names are unique ignoring case")
    yield "CreateRole", {"RoleName": "r2", "AssumeRolePolicyDocument": "no json"}, error("MalformedPolicyDocument", 400, MODEL)
    yield "CreateRole", {"RoleName": "r" * 65, "AssumeRolePolicyDocument": TRUST}, error(*invalid, MODEL)
    yield "GetRole", {"RoleName": "r1"}, None
    yield "GetRole", {"RoleName": "nothing"}, None
    yield "ListRoles", {}, None
    yield "PutRolePolicy", {"RoleName": "r1", "PolicyName": "AWSRevokeOlderSessions", "PolicyDocument": DENY}, None
    yield "PutRolePolicy", {"RoleName": "nothing", "PolicyName": "p", "PolicyDocument": DENY}, error(*missing, MODEL)
    yield "ListRolePolicies", {"RoleName": "r1"}, None
    yield "GetRolePolicy", {"RoleName": "r1", "PolicyName": "AWSRevokeOlderSessions"}, None
    yield "GetRolePolicy", {"RoleName": "r1", "PolicyName": "other"}, None
    yield "DeleteRole", {"RoleName": "r1"}, None
    yield "DeleteRolePolicy", {"RoleName": "r1", "PolicyName": "AWSRevokeOlderSessions"}, None
    yield "DeleteRole", {"RoleName": "r1"}, None
    yield "DeleteRole", {"RoleName": "r1"}, None
