#!/usr/bin/env python3
"""Prints who is in which group, as boto3 sees it: one `user: group group` a line.

With names as arguments it first creates these users.
"""

import sys

import boto3

iam = boto3.client("iam")
for name in sys.argv[1:]:
    iam.create_user(UserName=name)
for user in sorted(u["UserName"] for page in iam.get_paginator("list_users").paginate() for u in page["Users"]):
    groups = iam.list_groups_for_user(UserName=user)["Groups"]
    print(f"{user}: {' '.join(sorted(g['GroupName'] for g in groups))}")
