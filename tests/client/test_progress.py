"""Progress is drawn on terminals, on standard error, and nowhere else."""

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatctl.progress import BAR_CELLS, Progress
from tests.client.console import Console, Screen
from tests.support.daemon import BIN, DEADLINE_S, Daemon, environment, run, wait_until

PASSPHRASE = "correct horse"
TEXTS = 700


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Eleven megabytes of history."""
    with Daemon(tmp_path_factory.mktemp("full") / "node") as running:
        for _ in range(TEXTS):
            running.call("message.send", text="x" * 16_000)
        yield running


def on_terminal(*arguments: str) -> tuple[int, str, bytes]:
    """Exit code, standard output and what a terminal got for standard error."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(BIN / "chatctl"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(CHATD_PASSPHRASE=PASSPHRASE),
        text=True,
    ) as process:
        os.close(theirs)
        drawn = b""
        try:
            while piece := os.read(ours, 65536):
                drawn += piece
        except OSError:  # the other side is closed
            pass
        os.close(ours)
        assert process.stdout is not None
        return process.wait(DEADLINE_S), process.stdout.read(), drawn


def test_backup_and_restore_show_how_far_they_are(full: Daemon, tmp_path: Path) -> None:
    backup, home = str(tmp_path / "b"), str(tmp_path / "new")
    status, out, drawn = on_terminal("--home", str(full.home), "--json", "backup", backup)
    assert (status, out[:9]) == (0, '{"path": ')
    assert b"backed up [" in drawn
    assert b" MB" in drawn
    status, _, drawn = on_terminal("restore", backup, "--home", home)
    assert status == 0
    assert b"restored [" in drawn
    assert drawn.rstrip().endswith(b"before it has caught up with a peer")


def test_export_and_import_show_how_far_they_are(full: Daemon, tmp_path: Path) -> None:
    file = str(tmp_path / "e")
    status, _, drawn = on_terminal("--home", str(full.home), "export", "-o", file)
    assert status == 0
    assert b"exported [" in drawn
    status, _, drawn = on_terminal("--home", str(full.home), "import", file)
    assert status == 0
    assert b"imported [" in drawn


def test_nothing_is_drawn_into_a_pipe(full: Daemon, tmp_path: Path) -> None:
    backup, home = str(tmp_path / "b"), str(tmp_path / "new")
    done = run(["chatctl", "--home", str(full.home), "backup", backup], CHATD_PASSPHRASE=PASSPHRASE)
    assert done.stderr.startswith(f"chatctl: {backup}: ")
    assert done.stderr.count("\n") == 1
    done = run(["chatctl", "restore", backup, "--home", home], CHATD_PASSPHRASE=PASSPHRASE)
    assert done.returncode == 0
    assert "[" not in done.stderr


def test_line_is_cut_to_the_terminal() -> None:
    screen = Screen()
    Progress(screen, "done").show(0.25, "x" * 200)
    assert screen.getvalue().startswith(f"\r\x1b[Kdone [{'#' * (BAR_CELLS // 4)} ")
    assert len(screen.getvalue()) == len("\r\x1b[K") + 79


def test_what_grows_is_watched_until_it_is_done() -> None:
    screen = Screen()
    looks: list[None] = []

    def size() -> int:
        looks.append(None)
        return 5_000_000

    with Progress(screen, "done").growing(10_000_000, size):
        wait_until(lambda: "50% 5.0 of 10.0 MB" in screen.getvalue(), "a look")
    seen = len(looks)
    assert screen.getvalue().endswith("\r\x1b[K")
    with Progress(Console().environment().stderr, "done").growing(1, size):
        pass
    assert len(looks) == seen


def test_backup_to_nowhere_is_wrong_usage(nobody: Console) -> None:
    for arguments in (["backup", ""], ["restore", ""], ["backup", "f", "--passphrase-file", ""]):
        assert nobody.chatctl(*arguments) == 3
        assert "it is empty" in nobody.error
