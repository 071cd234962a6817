#!/usr/bin/env python3
"""Runs a command and writes its wall time in seconds and its peak memory in MiB: `usage.py FILE COMMAND ARGS…`."""

import resource
import subprocess
import sys
import time

start = time.perf_counter()
done = subprocess.run(sys.argv[2:], check=False)
wall = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
if done.returncode in (0, 3):
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write(f"{wall} {peak}\n")
sys.exit(done.returncode)
