#!/usr/bin/env python3
"""Moves a user from one group to another: `move.py USER FROM TO`."""

import sys

import boto3

iam = boto3.client("iam")
user, source, target = sys.argv[1:]
iam.add_user_to_group(UserName=user, GroupName=target)
iam.remove_user_from_group(UserName=user, GroupName=source)
