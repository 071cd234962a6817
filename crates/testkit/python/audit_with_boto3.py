#!/usr/bin/env python3
"""The yardstick of the audit: what scripts do that know no credential report. Users and groups by the authorization details, then
password, keys, their last use and MFA devices of each user, on 8 threads with boto3's adaptive retries."""

import concurrent.futures

import boto3
from botocore.config import Config

iam = boto3.client("iam", config=Config(retries={"mode": "adaptive", "total_max_attempts": 30}, max_pool_connections=8))


def look_at(user):
    name = user["UserName"]
    try:
        iam.get_login_profile(UserName=name)
    except iam.exceptions.NoSuchEntityException:
        pass
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    iam.list_mfa_devices(UserName=name)


pages = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 1000})
users = [user for page in pages for user in page["UserDetailList"]]
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(look_at, users))
