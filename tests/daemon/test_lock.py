"""One daemon per folder: held against ourselves, against another process, and let go when it dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatcore.errors import LocalError
from chatd.lock import AlreadyRunning, Lock

DEADLINE_S = 10.0

HOLDER = """
import sys, time
from pathlib import Path
from chatd.lock import Lock
with Lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_lock_refuses_second_holder_and_names_the_first(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"), pytest.raises(AlreadyRunning) as caught:
        Lock(tmp_path / "lock")
    assert str(caught.value) == f"a daemon is already running on {tmp_path} (process {os.getpid()})"
    assert "--home" in caught.value.hint


def test_lock_can_be_taken_again_once_closed(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"):
        pass
    with Lock(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_lock_is_private(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_lock_is_let_go_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=f"process {holder.pid}"):
            Lock(path)
        holder.send_signal(signal.SIGKILL)
        holder.wait(DEADLINE_S)
    with Lock(path):
        pass


def test_lock_says_why_it_cannot_make_its_file(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(LocalError, match=r"lock.*is a directory") as caught:
        Lock(tmp_path / "lock")
    assert caught.value.hint
    assert not isinstance(caught.value, AlreadyRunning)


def test_lock_names_the_flag_that_chooses_its_folder(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"), pytest.raises(AlreadyRunning) as caught:
        Lock(tmp_path / "lock", "--db-path")
    assert "--db-path" in caught.value.hint
    assert "--home" not in caught.value.hint
