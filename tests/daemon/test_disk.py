"""A daemon whose disk is really full: it says so, lives on, loses nothing, and goes on when space returns."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Spawn
from tests.support.daemon import Daemon, RpcError

DISK_MIB = 24
TEXT = "x" * 16_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A loop device of 24 MiB. Only root may mount; test_store.py fills smaller ones without."""
    image, where = tmp_path / "image", tmp_path / "disk"
    where.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_MIB * 1024 * 1024)
    made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=False, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, where], check=False, capture_output=True)
    if made.returncode or mounted.returncode:
        pytest.skip("a loop device takes root and mkfs.ext4")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def send_until_refused(daemon: Daemon) -> tuple[list[str], RpcError]:
    acknowledged: list[str] = []
    while True:
        try:
            acknowledged.append(daemon.call("message.send", text=f"{len(acknowledged)} {TEXT}")["id"])
        except RpcError as error:
            return acknowledged, error


def test_full_disk_is_an_error_and_no_end(small_disk: Path, spawn: Spawn) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(8 * 1024 * 1024))
    daemon = spawn("--db-path", str(small_disk / "store"))
    acknowledged, error = send_until_refused(daemon)
    assert error.kind == "store_failed"
    assert "no space left" in str(error) or "the disk is full" in str(error)
    assert error.error["data"]["retryable"]
    assert len(acknowledged) > 200
    for _ in range(3):  # it goes on saying so, and answers everything else
        with pytest.raises(RpcError):
            daemon.call("message.send", text=TEXT)
        assert daemon.call("node.status")["store"]["damaged"] == 0
    daemon.kill()  # and what it has said is true even then
    daemon.start()
    ids = [item["id"] for item in daemon.call("message.history", limit=1000)]
    assert set(acknowledged[-len(ids) :]) <= set(ids)
    ballast.unlink()
    acknowledged += [daemon.call("message.send", text=f"again {number} {TEXT}")["id"] for number in range(50)]
    assert daemon.stop() == 0
    daemon.start()
    ids = [item["id"] for item in daemon.call("message.history", limit=1000)]
    assert set(acknowledged) <= set(ids)
    assert daemon.call("node.status")["store"]["quarantined"] == []
