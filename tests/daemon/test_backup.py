"""Backup of a running daemon and restore into an empty home, by the programs people use."""

import errno
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from chatcore.paths import Paths
from chatd import backup, restore
from tests.conftest import Spawn
from tests.support.daemon import BIN, DEADLINE_S, Daemon, RpcError, environment, run, wait_until

WORDS = "correct horse battery staple"
PASS = {"CHATD_PASSPHRASE": WORDS}


def chatctl(*arguments: object, **environ: str) -> "subprocess.CompletedProcess[str]":
    return run(["chatctl", *map(str, arguments)], deadline_s=60.0, **environ)


def restored(backup: Path, home: Path, *flags: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return chatctl("restore", backup, "--home", home, *flags, **(environ or PASS))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a node with 300 messages in two rooms, made while it was written to."""
    folder = tmp_path_factory.mktemp("source")
    key = folder / "net.key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    with Daemon(folder / "home", "--network", "team", "--network-key", str(key), "--retain", "90d") as daemon:
        daemon.call("room.join", room="tea")
        for number in range(200):
            daemon.call("message.send", text=f"before {number}", room="tea" if number % 2 else "lobby")
        (first,) = daemon.call("message.history", room="tea", after=0, limit=1)
        daemon.call("message.pin", id=first["id"])
        with ThreadPoolExecutor(2) as pool:
            backing = pool.submit(chatctl, "--home", daemon.home, "backup", folder / "b", **PASS)
            during = 0
            while not backing.done():
                daemon.call("message.send", text=f"during {during}")
                during += 1
        done = backing.result()
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert during > 5
        identity = daemon.call("identity.show")
        assert WORDS not in daemon.log
        assert [json.loads(line)["event"] for line in daemon.log.splitlines()] == ["ready"]
    (folder / "identity.json").write_text(json.dumps(identity))
    return folder / "b"


def test_backup_is_one_private_file_that_says_nothing(source: Path) -> None:
    assert source.stat().st_mode & 0o777 == 0o600
    data = source.read_bytes()
    assert b"before" not in data
    assert b"ed25519" not in data
    assert {path.name for path in source.parent.iterdir()} == {"b", "home", "net.key", "identity.json"}


def test_restored_node_is_the_same_and_waits_before_it_sends(source: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = restored(source, home)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "is restored; start it" in done.stderr
    assert {path.name for path in home.iterdir()} == {"identity.key", "store", "config.toml", "network.key"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.rglob("*"))
    assert "mdns = false" in (home / "config.toml").read_text()
    daemon = Daemon(home)
    with daemon:
        assert daemon.call("identity.show") == json.loads((source.parent / "identity.json").read_text())
        assert [room["room"] for room in daemon.call("room.list")] == ["lobby", "tea"]
        tea = daemon.call("message.history", room="tea", limit=1000)
        assert [item["text"] for item in tea] == [f"before {number}" for number in range(1, 200, 2)]
        assert daemon.call("message.pins", room="tea") == tea[:1]
        status = daemon.call("node.status")
        assert (status["network"], status["store"]["restored"]) == ("team", True)
        with pytest.raises(RpcError) as caught:
            daemon.call("message.send", text="too early")
        assert (caught.value.kind, caught.value.error["data"]["retryable"]) == ("not_caught_up", True)
        assert "nobody in its rooms is linked" in str(caught.value)
        stamp = max(item["time_ms"] for item in daemon.call("message.history", limit=1000))
        daemon.kill()
        daemon.start()
        assert daemon.call("node.status")["store"]["restored"]  # it outlives a restart
        assert daemon.call("node.caught_up") == {"ok": True}
        assert daemon.call("message.send", text="at last")["id"]
        assert daemon.call("message.history", limit=1)[0]["time_ms"] >= stamp
        daemon.stop()
        daemon.start()
        assert not daemon.call("node.status")["store"]["restored"]
        assert daemon.call("message.send", text="and still")["id"]


def test_restored_node_gets_what_it_said_since_before_it_sends(tmp_path: Path, spawn: Spawn) -> None:
    friend = spawn(username="bob")
    old = spawn("--bootstrap", friend.address)
    old.call("message.send", text="kept")
    assert chatctl("--home", old.home, "backup", tmp_path / "b", **PASS).returncode == 0
    later = [f"later {number}" for number in range(50)]
    for text in later:
        old.call("message.send", text=text)
    friend.wait_text(later[-1])
    old.kill()
    assert restored(tmp_path / "b", tmp_path / "new").returncode == 0
    new = spawn("--bootstrap", friend.address, home=tmp_path / "new")
    refused: list[str] = []
    sent: dict[str, str] = {}

    def sends() -> bool:
        try:
            sent.update(new.call("message.send", text="back"))
        except RpcError as error:
            refused.append(error.kind)
        return bool(sent)

    wait_until(sends, "the end of the wait")
    assert set(refused) == {"not_caught_up"}
    assert new.texts == ["kept", *later, "back"]
    assert not new.call("node.status")["store"]["restored"]
    assert sent["state"] == "sent"
    friend.wait_text("back")


def test_no_wait_lets_it_send_at_once(source: Path, tmp_path: Path) -> None:
    assert restored(source, tmp_path / "home", "--no-wait").returncode == 0
    with Daemon(tmp_path / "home") as daemon:
        assert daemon.call("message.send", text="hi")["id"]


def test_restore_refuses_in_one_line_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    whole = source.read_bytes()
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 1
    cases = {
        "passphrase is wrong": (whole, {"CHATD_PASSPHRASE": "wrong"}),
        "cut short": (whole[:-5], PASS),
        "altered or damaged": (bytes(altered), PASS),
        "not a backup": (b"hello", PASS),
        "passphrase is empty": (whole, {"CHATD_PASSPHRASE": ""}),
    }
    for why, (data, environ) in cases.items():
        copy = tmp_path / "copy"
        copy.write_bytes(data)
        done = restored(copy, home, **environ)
        assert why in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.returncode in (1, 3)
        assert [path.name for path in tmp_path.iterdir()] == ["copy"], why
    assert "no such file" in restored(tmp_path / "nowhere", home).stderr


@pytest.mark.parametrize("whole_terminal", [True, False])
def test_interrupted_restore_leaves_nothing(source: Path, tmp_path: Path, *, whole_terminal: bool) -> None:
    """Ctrl-C reaches every process of the terminal; a signal from a script chatctl alone."""
    command = [str(BIN / "chatctl"), "restore", str(source), "--home", str(tmp_path / "new")]
    with subprocess.Popen(
        command, env=environment(**PASS), start_new_session=True, stderr=subprocess.DEVNULL
    ) as child:
        wait_until(
            lambda: any(tmp_path.iterdir()), "a folder to begin with"
        )  # then it makes the key for long
        (os.killpg if whole_terminal else os.kill)(child.pid, signal.SIGINT)
        assert child.wait(DEADLINE_S) == 130
    assert list(tmp_path.iterdir()) == []


def test_restore_that_fails_at_its_end_leaves_no_config_that_the_next_one_refuses(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = replace(Paths.resolve(str(tmp_path / "home"), {}), config=str(tmp_path / "etc" / "config.toml"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            restore.restore(source, WORDS, paths, wait=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["etc"]
    restore.restore(source, WORDS, paths, wait=True)
    assert Path(paths.config).exists()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_backup_leaves_nothing(tmp_path: Path, spawn: Spawn, number: signal.Signals) -> None:
    home, there = spawn().home, tmp_path / "there"
    there.mkdir()
    request = {
        "path": str(there / "b"),
        "force": False,
        "passphrase": WORDS,
        "identity": str(home / "identity.key"),
        "network_key": "",
        "store": str(home / "store"),
        "config": "",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "chatd.backup"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps(request).encode())
        child.stdin.close()
        wait_until(lambda: any(there.iterdir()), "a file to begin with")
        child.send_signal(number)
        child.wait(DEADLINE_S)
        assert child.stdout is not None
        assert "interrupted" in json.loads(child.stdout.read())["error"]
    assert list(there.iterdir()) == []


def test_restore_refuses_a_home_that_is_not_empty(source: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "notes").write_text("mine")
    done = restored(source, home)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [path.name for path in home.iterdir()] == ["notes"]


def test_backup_refuses_with_a_reason(tmp_path: Path, spawn: Spawn) -> None:
    daemon = spawn()
    taken = tmp_path / "taken"
    taken.write_text("mine")

    def refusal(path: object, passphrase: str = WORDS) -> str:
        with pytest.raises(RpcError) as caught:
            daemon.call("node.backup", path=str(path), passphrase=passphrase)
        assert caught.value.kind == "backup_failed"
        return str(caught.value)

    assert "exists already" in refusal(taken)
    assert "not an absolute path" in refusal("relative")
    assert "is a folder" in refusal(tmp_path)
    assert "there is no folder" in refusal(tmp_path / "no" / "where")
    assert "1 to 1024 characters" in refusal(tmp_path / "b", "")
    assert taken.read_text() == "mine"
    made = daemon.call("node.backup", path=str(taken), passphrase=WORDS, force=True)
    assert made == {"path": str(taken), "bytes": taken.stat().st_size}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node1", "taken"]
    forgetful = spawn("--no-persist")
    daemon = forgetful
    assert "keeps nothing on disk" in refusal(tmp_path / "b")


def test_backup_on_a_full_disk_leaves_nothing(tmp_path: Path, spawn: Spawn) -> None:
    daemon = spawn()
    with pytest.raises(RpcError) as caught:
        daemon.call("node.backup", path="/dev/full/b", passphrase=WORDS)
    assert "no folder" in str(caught.value)
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(small)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting takes root")
    try:
        with pytest.raises(RpcError) as caught:
            daemon.call("node.backup", path=str(small / "b"), passphrase=WORDS)
        assert "no space left" in str(caught.value)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_restore_to_a_full_disk_names_it_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting takes root")
    try:
        done = restored(source, small / "home")
        assert done.returncode == 1
        assert f"{small / 'home'}: no space left on device; free disk space there" in done.stderr
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_passphrase_comes_from_a_file_or_not_at_all(tmp_path: Path, spawn: Spawn) -> None:
    daemon = spawn()
    words = tmp_path / "words"
    words.write_text(f"{WORDS}\nsecond line\n")
    done = chatctl("--home", daemon.home, "backup", tmp_path / "b", "--passphrase-file", words)
    assert done.returncode == 0, done.stderr
    assert restored(tmp_path / "b", tmp_path / "new").returncode == 0
    none = chatctl("--home", daemon.home, "backup", tmp_path / "c")
    assert none.returncode == 3
    assert "there is no passphrase" in none.stderr
    assert not (tmp_path / "c").exists()


def test_file_system_without_hard_links_gets_its_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    made, target = tmp_path / "made", tmp_path / "target"
    made.write_text("all of it")
    backup._name(made, target)
    assert target.read_text() == "all of it"
    assert not made.exists()

    made.write_text("another")
    with pytest.raises(FileExistsError):
        backup._name(made, target)
    assert target.read_text() == "all of it"
