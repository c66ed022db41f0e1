"""`chatd --check`: what keeps a daemon from starting, found without starting one or changing anything."""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest

from chatd.doctor.outside import (
    check_folders,
    check_keys,
    check_lock,
    check_port,
    check_socket,
    check_store,
)
from chatd.doctor.verdicts import State
from chatd.lock import Lock, holder_of
from chatd.store import SCHEMA, Store, records, tables
from chatd.store.folder import DATA_FILE
from chatd.store.pages import DEFAULT_PAGE_BYTES
from tests.support.daemon import Daemon, free_port, run
from tests.support.readonly import read_only


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with a store that was closed in order."""
    folder = tmp_path / "store"
    Store.open(folder).close()
    return folder


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# Locks


def test_lock_that_is_held_names_its_process(tmp_path: Path) -> None:
    path = tmp_path / "chatd.lock"
    assert holder_of(path) is None
    assert check_lock(path).state is State.OK
    with Lock(path):
        assert holder_of(path) == os.getpid()
        verdict = check_lock(path)
    assert verdict.state is State.BROKEN
    assert verdict.finding == f"process {os.getpid()} runs on {tmp_path} already"
    assert holder_of(path) is None


# Folders and keys


def test_folder_that_is_missing_can_be_made(tmp_path: Path) -> None:
    (verdict,) = check_folders(tmp_path / "a" / "b", tmp_path / "a" / "b")
    assert (verdict.state, verdict.finding) == (State.OK, f"{tmp_path / 'a' / 'b'} can be made")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (verdict,) = check_folders(tmp_path, tmp_path)
    assert verdict.state is State.BROKEN
    assert "others on this machine" in verdict.cause
    assert verdict.fix.startswith(f"chmod go-w {tmp_path}")


def test_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    deeper = tmp_path / "home" / "deeper"
    (verdict,) = check_folders(deeper, deeper)
    assert verdict.cause == f"cannot make the folder {deeper}: {tmp_path / 'home'} is not a folder"


def test_read_only_folder_is_told(tmp_path: Path) -> None:
    with read_only(tmp_path):
        (verdict,) = check_folders(tmp_path, tmp_path)
    assert verdict.state is State.BROKEN
    assert str(tmp_path) in verdict.cause


def test_key_that_others_may_read_is_told(tmp_path: Path) -> None:
    key = tmp_path / "identity.key"
    assert check_keys(key, None).state is State.OK
    key.write_text("x")
    key.chmod(0o644)
    verdict = check_keys(key, None)
    assert verdict.state is State.BROKEN
    assert "mode 0644" in verdict.cause
    assert check_keys(tmp_path / "none", tmp_path / "team.key").cause.startswith("network key")


# Sockets and ports


def test_port_that_is_taken_is_told(taken: int) -> None:
    verdict = check_port("127.0.0.1", taken)
    assert verdict.state is State.BROKEN
    assert verdict.finding == f"cannot listen on 127.0.0.1, port {taken}"
    assert verdict.cause == f"port {taken} is already in use"
    assert str(taken) in verdict.fix


def test_port_that_is_free_stays_so() -> None:
    port = free_port()
    assert check_port("127.0.0.1", port).state is State.OK
    assert check_port("127.0.0.1", port).state is State.OK
    assert check_port("127.0.0.1", 0).finding == "any free one"
    assert check_port("192.0.2.1", 0).state is State.BROKEN


def test_host_that_is_not_ours_is_told() -> None:
    assert check_port("192.0.2.1", 8080).state is State.BROKEN
    assert check_port("nowhere.invalid", 8080).state is State.BROKEN


def test_socket_that_somebody_answers_is_told(tmp_path: Path) -> None:
    path = tmp_path / "chatd.sock"
    assert check_socket(path).state is State.OK
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert check_socket(path).state is State.OK  # left there by a daemon that is gone
        listener.listen(1)
        assert check_socket(path).finding == f"{path} is taken"
    path.unlink()
    path.touch()
    assert check_socket(path).cause == f"{path} is in the way: it is not a socket"


def test_folder_that_takes_no_socket_is_told_and_one_that_does_is_left_as_it_was(tmp_path: Path) -> None:
    assert check_socket(Path("/proc/chatd.sock")).state is State.BROKEN
    assert check_socket(tmp_path / "chatd.sock").state is State.OK
    assert list(tmp_path.iterdir()) == []


# Stores


def test_store_that_is_missing_or_sound_is_well(tmp_path: Path, store: Path) -> None:
    assert check_store(tmp_path / "none").finding == "made at the first start"
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    assert check_store(store).finding == "can be opened"
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before


def test_store_that_was_not_closed_is_looked_over_at_the_next_start(store: Path) -> None:
    (store / "clean").unlink()
    verdict = check_store(store)
    assert verdict.state is State.OK
    assert "the next start looks it over first" in verdict.finding


def set_schema(store: Path, schema: int) -> None:
    with lmdb.open(str(store), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        meta = env.open_db(b"meta", txn=txn, create=False)
        txn.put(tables.SCHEMA_KEY, records.seal(records.pack_u64(schema)), db=meta)


def test_store_of_a_newer_version_is_told(store: Path) -> None:
    set_schema(store, SCHEMA + 1)
    verdict = check_store(store)
    assert verdict.state is State.BROKEN
    assert "it was written by a newer chatd" in verdict.cause
    assert verdict.fix == "update chatd"


def test_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "chatd.lock").mkdir()
    verdict = check_lock(tmp_path / "chatd.lock")
    assert verdict.state is State.BROKEN
    assert "is a directory" in verdict.cause


def test_store_that_another_home_uses_is_told(store: Path) -> None:
    with Lock(store / "store.lock"):
        verdict = check_store(store)
    assert verdict.state is State.BROKEN
    assert f"already running on {store} (process {os.getpid()})" in verdict.cause


def test_store_with_a_message_behind_its_damage_is_told(tmp_path: Path) -> None:
    with Daemon(tmp_path / "home") as daemon:
        daemon.call("message.send", text="kept")
        daemon.kill()
    data = tmp_path / "home" / "store" / DATA_FILE
    data.write_bytes(bytes(2 * DEFAULT_PAGE_BYTES) + data.read_bytes()[2 * DEFAULT_PAGE_BYTES :])
    verdict = check_store(data.parent)
    assert verdict.state is State.WARN
    assert verdict.finding == "the store is damaged"
    assert verdict.cause
    assert "keeps what is whole" in verdict.fix


# As a start would say it


@pytest.mark.parametrize(
    "kind", ["others may read", "no folder", "rubbish", "rubbish behind its head", "cut", "gone"]
)
def test_check_and_start_refuse_a_store_in_the_same_words(tmp_path: Path, kind: str) -> None:
    home = tmp_path / "home"
    with Daemon(home):
        pass
    store = home / "store"
    data = store / DATA_FILE
    match kind:
        case "others may read":
            store.chmod(0o755)
        case "no folder":
            shutil.rmtree(store)
            store.write_text("mine")
        case "rubbish":
            data.write_bytes(os.urandom(data.stat().st_size))
        case "rubbish behind its head":
            head = data.read_bytes()[: 2 * DEFAULT_PAGE_BYTES]
            data.write_bytes(head + os.urandom(data.stat().st_size - len(head)))
        case "cut":
            data.write_bytes(data.read_bytes()[:100])
        case "gone":
            data.unlink()
    code, checks = checked(home, "--port", "0")
    started = run(["chatd", "--home", str(home), "--host", "127.0.0.1", "--port", "0"])
    assert (code, started.returncode) == (1, 1)
    found = checks["store"]
    assert found["state"] == "broken"
    assert started.stderr.endswith(f"chatd: {found['cause']}; {found['fix']}\n")


# The flag


def checked(home: Path, *argv: str) -> tuple[int, dict[str, Any]]:
    done = run(["chatd", "--check", "--home", str(home), "--host", "127.0.0.1", *argv])
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, {check["name"]: check for check in document["checks"]}


def test_check_of_a_home_to_be_made_finds_nothing_and_makes_nothing(tmp_path: Path) -> None:
    code, checks = checked(tmp_path / "home", "--port", "0")
    assert code == 0
    assert {check["state"] for check in checks.values()} == {"ok"}
    assert list(tmp_path.iterdir()) == []


def test_check_names_a_port_that_is_taken_to_people(tmp_path: Path, taken: int) -> None:
    argv = ["--home", str(tmp_path), "--host", "127.0.0.1", "--port", str(taken)]
    done = run(["chatd", "--check", "--log-format", "console", *argv])
    assert done.returncode == 1
    assert f"broken  port       cannot listen on 127.0.0.1, port {taken}\n" in done.stdout
    assert f"  cause: port {taken} is already in use\n" in done.stdout


def test_check_leaves_a_running_daemon_alone(tmp_path: Path) -> None:
    with Daemon(tmp_path / "node") as daemon:
        code, checks = checked(daemon.home)
        assert code == 1
        assert daemon.process is not None
        assert checks["lock"]["finding"] == f"process {daemon.process.pid} runs on {daemon.home} already"
        assert "port" not in checks
        assert daemon.call("node.status")["peers"] == 0


def test_wrong_settings_are_refused_as_ever(tmp_path: Path) -> None:
    done = run(["chatd", "--check", "--home", str(tmp_path), "--port", "70000"])
    assert (done.returncode, done.stdout) == (3, "")
