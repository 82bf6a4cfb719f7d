#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cost.py FILE COMMAND...: runs the command and writes to FILE: milliseconds, milliseconds of
processor time, and the largest resident size in MiB of it and of all below it."""
import resource
import subprocess
import sys
import time

start = time.monotonic()
status = subprocess.call(sys.argv[2:])
took = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w", encoding="ascii") as f:
    f.write("%d %d %d\n" % (took * 1000, (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss // 1024))
sys.exit(status)
