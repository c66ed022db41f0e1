"""The first lines of `chatd`, before its half second of imports: what must hold from the very start."""

import gc
import os
import signal
from typing import NoReturn

STANDARD_DESCRIPTORS = (0, 1, 2)


def main() -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupt while importing is no reason for a traceback
    _occupy_standard_descriptors()
    # Until the daemon runs: imports leave next to no garbage, and to walk them again and again is a sixth of
    # the start.
    gc.disable()
    from chatd.main import main as run  # noqa: PLC0415 - the point of this file

    run()


def _occupy_standard_descriptors() -> None:
    """Started with standard error closed, the next file opened would get its number, and our log lines."""
    for descriptor in STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number free, which is this one
