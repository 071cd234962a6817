#!/usr/bin/env python3
"""Deletes a user or group with what keeps it from being deleted: `delete.py user NAME`, `delete.py group NAME`.

Somebody else may add members at the same time, so a group is tried again.
"""

import sys

import boto3

iam = boto3.client("iam")
kind, name = sys.argv[1:]
if kind == "user":
    for group in iam.list_groups_for_user(UserName=name)["Groups"]:
        iam.remove_user_from_group(UserName=name, GroupName=group["GroupName"])
    iam.delete_user(UserName=name)
else:
    for attempt in range(50):
        for user in iam.get_group(GroupName=name)["Users"]:
            iam.remove_user_from_group(UserName=user["UserName"], GroupName=name)
        try:
            iam.delete_group(GroupName=name)
            break
        except iam.exceptions.DeleteConflictException:
            if attempt == 49:
                raise
