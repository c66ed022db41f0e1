"""Children that touch what may be damaged: started, listened to, and never forked off an open environment."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chatd.store.batches import StoreUnusable

TELL_EVERY_S = 1.0
MAX_LINE_BYTES = 64 * 1024

Tell = Callable[[str, Mapping[str, Any]], None]
"""An event's name and its fields, for the log."""

_DEADLY = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)


class KilledByDamage(Exception):
    """The child died of what it read."""


def say(**fields: object) -> None:
    """In the child: one line for the parent. A parent that has gone ends the child as well."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def run(folder: Path, program: str, *arguments: Path, event: str, tell: Tell) -> dict[str, Any]:
    """The child's last word. What it says on the way is told as `event`, at most once a second.

    Raises:
        KilledByDamage: it died of a signal that damage sends.
        StoreUnusable: it could not do its work; damage is not why.
    """
    command = [sys.executable, "-P", "-m", program, *map(str, arguments)]
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment
    ) as child:
        try:
            last = _listen(child, event, tell)
        except BaseException:
            child.kill()
            raise
    if -child.returncode in _DEADLY:
        raise KilledByDamage(f"reading it killed a process ({signal.Signals(-child.returncode).name})")
    if "error" in last:
        raise StoreUnusable(
            folder, str(last["error"]), str(last.get("hint", "see whether the disk is sound"))
        )
    if child.returncode:
        why = f"looking it over ended with {child.returncode} before it was done"
        raise StoreUnusable(folder, why, "start again; if that does not help, see the log and report it")
    return last


def _listen(child: "subprocess.Popen[bytes]", event: str, tell: Tell) -> dict[str, Any]:
    assert child.stdout is not None
    started = told = time.monotonic()
    waiting, last = b"", dict[str, Any]()
    while True:
        ready, _, _ = select.select([child.stdout], [], [], TELL_EVERY_S)
        if ready:
            data = os.read(child.stdout.fileno(), MAX_LINE_BYTES)
            if not data:
                return last
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                last = json.loads(line)
        now = time.monotonic()
        if now - told >= TELL_EVERY_S:
            told = now
            tell(event, {**last, "seconds": round(now - started)})
