"""The unit for systemd's user manager, as systemd itself reads it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import BIN, DEADLINE_S, environment

UNIT = Path(__file__).parents[2] / "systemd" / "chatd.service"
INSTALLED = "%h/.local/bin/chatd"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here to ask")
def test_unit_has_nothing_that_systemd_objects_to(tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert INSTALLED in text
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace(INSTALLED, str(BIN / "chatd")))
    done = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", str(copy)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path)),
        check=False,
    )
    if "Failed to initialize manager" in done.stderr:
        pytest.skip(done.stderr)
    assert (done.returncode, done.stdout) == (0, "")
    assert UNIT.name not in done.stderr


def test_unit_waits_for_no_target_that_user_managers_lack() -> None:
    """`verify` says nothing of these: a unit that is missing is only not waited for (systemd.unit(5))."""
    waited_for = [line for line in UNIT.read_text().splitlines() if line.startswith(("After=", "Wants="))]
    assert not any("network" in line for line in waited_for)
