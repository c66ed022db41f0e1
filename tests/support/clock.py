"""`python -m tests.support.clock SECONDS ...`: chatd, its wall clock put off by as many seconds."""

import sys
import time

from chatd.main import main

ahead_ns = round(float(sys.argv.pop(1)) * 1_000_000_000)
wall_ns = time.time_ns
time.time_ns = lambda: wall_ns() + ahead_ns

main()
