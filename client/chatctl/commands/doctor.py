"""`doctor`: what is wrong with the daemon, why, and what to do; of one that does not answer, too."""

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click

from chatctl import checkup
from chatctl.commands.answering import answer
from chatctl.failures import DaemonUnreachable, ExitStatus, RpcRefused, TimedOut
from chatctl.invocation import Invocation
from chatctl.jsonrpc import METHOD_NOT_FOUND
from chatctl.options import Command

if TYPE_CHECKING:
    from chatcore.api import Check, Diagnosis

CHECK_S = 60.0
"""Reading a key and the head of a store takes a second, on a bad disk some more."""


@click.command(
    "doctor",
    cls=Command,
    examples=(
        ("chatctl doctor", "what is wrong, why, and what to do"),
        ("chatctl doctor --json | jq .state", "the worst of it, for a script"),
    ),
)
@click.pass_obj
def doctor_command(told: Invocation) -> ExitStatus:
    """Look for what keeps this node from its peers, or from starting.

    Each check is ok, unknown (nothing proves it), warn or broken. Exits with 1 when something is broken.
    """
    try:
        found = told.rpc().call("node.doctor")
    except (DaemonUnreachable, TimedOut) as error:
        found = _from_outside(told, error)
    except RpcRefused as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        raise RpcRefused(
            error.code, "the daemon is of an older version, without a doctor", error.kind, "update it"
        ) from error

    def show(shown: Any) -> None:
        told.out("\n".join(checkup.diagnosis(shown, told.style, told.env.columns())))

    answer(told, "node.doctor", found, show)
    return ExitStatus.REFUSED if checkup.is_broken(found) else ExitStatus.OK


def _from_outside(told: Invocation, error: DaemonUnreachable | TimedOut) -> "Diagnosis":
    """What `chatd --check` says of the place where no daemon answers."""
    checks = _checked(told)
    broken = [check for check in checks if check["state"] == checkup.BROKEN]
    first: Check = {
        "name": "daemon",
        "state": checkup.BROKEN,
        "finding": str(error),
        "cause": "see what is broken below" if broken else "it was not started, or has stopped since",
        "fix": "mend that, then start it: " + told.place.start if broken else error.hint,
    }
    return {"state": checkup.BROKEN, "checks": [first, *checks]}


def _checked(told: Invocation) -> "list[Check]":
    command = [sys.executable, "-P", "-m", "chatd.main", "--check", "--log-format", "json"]
    command += ["--home", told.home] if told.home else []
    command += ["--socket", told.socket] if told.socket else []
    paths = os.pathsep.join(path for path in sys.path if path)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env={**told.env.variables, "PYTHONPATH": paths},
            timeout=CHECK_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [_start("chatd --check did not end", "a disk or a name service hangs", "see the system's log")]
    try:
        found: list[Check] = json.loads(done.stdout)["checks"]
    except (ValueError, KeyError, TypeError):
        return [_unstartable(done.returncode, done.stderr.decode(errors="replace"))]
    return found


def _unstartable(code: int, said: str) -> "Check":
    """Its settings are wrong, which it says in one line, or it could not be run at all."""
    line = said.strip().rpartition("\n")[2].removeprefix("chatd: ")
    cause, _, fix = line.partition("; ")
    finding = "its settings are wrong" if code == ExitStatus.USAGE else f"chatd --check ended with {code}"
    return _start(finding, cause or "it said nothing", fix or "run it to see why: chatd --check")


def _start(finding: str, cause: str, fix: str) -> "Check":
    return {"name": "start", "state": checkup.BROKEN, "finding": finding, "cause": cause, "fix": fix}
