#!/usr/bin/env python3
"""The yardstick: what one would write today to sort users. Authorization details, then AddUserToGroup on 8 threads
with boto3's adaptive retries."""

import concurrent.futures
import re
import sys

import boto3
from botocore.config import Config

COMMON = "AllUsers"
CATEGORIES = [("AllHumanUsers", None), ("AllHeadlessUsers", r"^Headless-(.*)"), ("AllMisconfiguredUsers", r"^MisconfiguredUser-(.*)")]

iam = boto3.client("iam", config=Config(retries={"mode": "adaptive", "total_max_attempts": 30}, max_pool_connections=8))
todo = []
pages = iam.get_paginator("get_account_authorization_details").paginate(Filter=["User", "Group"], PaginationConfig={"PageSize": 1000})
for page in pages:
    for user in page["UserDetailList"]:
        name, groups = user["UserName"], user["GroupList"]
        if COMMON not in groups:
            todo.append((name, COMMON))
        if not any(group in groups for group, _ in CATEGORIES):
            match = next((group for group, regex in CATEGORIES if regex and re.match(regex, name)), None)
            if match:
                todo.append((name, match))
if "--dry-run" not in sys.argv:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda change: iam.add_user_to_group(UserName=change[0], GroupName=change[1]), todo))
