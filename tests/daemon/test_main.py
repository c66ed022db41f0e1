"""`chatd` as a process: what it says and how it exits when it cannot run, and how it lives and stops."""

import asyncio
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chatcore.identity import Identity
from chatcore.ids import PEER_ID_CHARS
from chatcore.messages import Goodbye, Publish
from chatd.folders import others_may_replace
from tests.conftest import Spawn
from tests.support.daemon import BIN, Daemon, environment, run, wait_until
from tests.support.local import Closed, websocket
from tests.support.peer import Peer, publish, said

EXIT_FAILED = 1
EXIT_USAGE = 3
STOP_S = 5.0
RUN_S = 20.0
KEY_TEXT = Identity(b"k" * 32).to_key_file()


def refusal(code: int, *argv: str | Path, **environ: str) -> str:
    """The one line that `chatd` says before it exits with `code`."""
    done = run(["chatd", "--host", "127.0.0.1", *map(str, argv)], stdin=None, deadline_s=RUN_S, **environ)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("chatd: ")
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    what, _, hint = done.stderr.removeprefix("chatd: ").strip().partition("; ")
    assert what
    assert hint, "it does not say what to do"
    return done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def at_once(*refusals: Callable[[], None]) -> None:
    """Start-up takes half a second: as many processes at a time as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in [pool.submit(refusal) for refusal in refusals]:
            done.result()


# Cannot run: flags and settings


def test_chatd_refuses_a_wrong_flag_or_variable(home: Path) -> None:
    def refuses(says: str, *argv: str, **environ: str) -> Callable[[], None]:
        def check() -> None:
            assert says in refusal(EXIT_USAGE, "--home", home, *argv, **environ)

        return check

    at_once(
        refuses("No such option", "--prot", "1"),
        refuses("not in the range", "--port", "70000"),
        refuses("not a valid integer", CHATD_PORT="many"),
        refuses("unexpected extra argument", "extra"),
        refuses("is not a user name", "--username", os.fsdecode(b"\xff\xfe")),
        refuses("is not an address", "--bootstrap", "nowhere"),
        refuses("no such file", "--config", "/nowhere/at/all.toml"),
        refuses("--socket", "--socket", "/" + "s" * 200),
    )
    assert list(home.iterdir()) == []


def test_chatd_refuses_a_wrong_file(tmp_path: Path) -> None:
    def refuses(says: str, text: str | None) -> Callable[[], None]:
        path = tmp_path / secrets.token_hex(4) / "config.toml"
        path.parent.mkdir()
        path.mkdir() if text is None else write(path, text)

        def check() -> None:
            line = refusal(EXIT_USAGE, "--home", path.parent)
            assert says in line
            assert str(path) in line
            assert list(path.parent.iterdir()) == [path]

        return check

    at_once(
        refuses("unknown key 'prot'", "prot = 1"),
        refuses("not valid TOML", "port"),
        refuses("is a directory", None),
    )


# Cannot run: keys


def test_chatd_refuses_a_bad_identity_and_leaves_it_alone(tmp_path: Path) -> None:
    def refuses(says: str, content: str | None, mode: int = 0o600) -> Callable[[], None]:
        path = tmp_path / secrets.token_hex(4) / "identity.key"
        path.parent.mkdir()
        path.mkdir() if content is None else write(path, content, mode)

        def check() -> None:
            line = refusal(EXIT_FAILED, "--home", path.parent, "--port", "0")
            assert says in line
            assert str(path) in line
            assert path.is_dir() or path.read_text() == content
            assert not (path.parent / "store").exists()

        return check

    at_once(
        refuses("not a chatd key file", "rubbish"),
        refuses("does not fit", KEY_TEXT[:-20]),
        refuses(f"chmod 600 {tmp_path}", KEY_TEXT, 0o644),
        refuses("is a directory", None),
    )


def test_chatd_refuses_a_bad_network_key(tmp_path: Path) -> None:
    def refuses(says: str, content: str | None, mode: int = 0o600) -> Callable[[], None]:
        home = tmp_path / secrets.token_hex(4)
        home.mkdir()
        path = home / "network.key"
        if content is not None:
            write(path, content, mode)

        def check() -> None:
            line = refusal(EXIT_FAILED, "--home", home, "--port", "0", "--network-key", path)
            assert says in line
            assert str(path) in line
            assert content is None or content not in line

        return check

    at_once(
        refuses("openssl rand -hex 32", "ab" * 31),
        refuses("chmod 600", "ab" * 32, 0o640),
        refuses("no such file", None),
    )


# Cannot run: what is taken or in the way


def test_chatd_refuses_a_port_in_use(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refusal(EXIT_FAILED, "--home", home, "--port", port)
    assert f"port {port} is already in use" in line
    assert "--port" in line
    with Daemon(home):
        pass  # nothing it left behind is in the way


def test_chatd_refuses_an_address_that_is_not_this_machines(home: Path) -> None:
    for host in ("192.0.2.1", "no.such.host.invalid"):
        line = refusal(EXIT_FAILED, "--home", home, "--port", "0", "--host", host)
        assert host in line
        assert "--host" in line


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that runs undisturbed beside whatever is refused."""
    with Daemon(tmp_path_factory.mktemp("neighbour") / "home") as running:
        yield running
        assert running.call("message.send", text="undisturbed")["id"]
    assert [json.loads(line)["event"] for line in running.log.splitlines()] == ["ready", "stopping"]


def test_chatd_refuses_a_home_that_runs_already(neighbour: Daemon) -> None:
    line = refusal(EXIT_FAILED, "--home", neighbour.home, "--port", "0")
    assert neighbour.process is not None
    assert f"already running on {neighbour.home} (process {neighbour.process.pid})" in line
    assert "--home" in line


def test_chatd_refuses_a_store_that_another_home_uses(tmp_path: Path, neighbour: Daemon) -> None:
    store = neighbour.home / "store"
    line = refusal(EXIT_FAILED, "--home", tmp_path / "other", "--port", "0", "--db-path", store)
    assert f"already running on {store}" in line
    assert "--db-path" in line


def test_chatd_may_keep_its_store_in_its_home_itself(tmp_path: Path, spawn: Spawn) -> None:
    home = tmp_path / "one"
    daemon = spawn("--db-path", str(home), home=home)
    daemon.call("message.send", text="kept")
    assert (home / "data.mdb").exists()


def test_chatd_refuses_a_home_it_cannot_make(tmp_path: Path) -> None:
    file = write(tmp_path / "file", "mine")
    line = refusal(EXIT_FAILED, "--home", file / "deep", "--port", "0")
    assert "cannot make the folder" in line
    assert "--home" in line
    assert file.read_text() == "mine"


def test_first_start_that_is_refused_leaves_nothing(tmp_path: Path, neighbour: Daemon) -> None:
    somebodys = write(tmp_path / "somebodys", "mine")
    exposed = folder_of_mode(tmp_path / "exposed", 0o755)
    writable = folder_of_mode(tmp_path / "writable", 0o777)
    port = neighbour.address.rpartition(":")[2]

    def refuses(says: str, *argv: str | Path) -> Callable[[], None]:
        home = tmp_path / secrets.token_hex(4) / "home"

        def check() -> None:
            assert says in refusal(EXIT_FAILED, "--port", "0", "--home", home, *argv)
            assert not home.parent.exists()

        return check

    at_once(
        refuses("network key", "--network-key", tmp_path / "nowhere"),
        refuses("is in the way", "--socket", somebodys),
        refuses("another daemon answers", "--socket", neighbour.socket),
        refuses("others on this machine may replace", "--socket", writable / "s"),
        refuses("cannot open the socket", "--socket", "/proc/s"),
        refuses("cannot make the folder", "--socket", somebodys / "s"),
        refuses("others on this machine may read", "--db-path", exposed),
        refuses("it is not a folder", "--db-path", somebodys),
        refuses("already running", "--db-path", neighbour.home / "store"),
        refuses("is already in use", "--port", port),
        refuses("cannot listen", "--host", "192.0.2.1"),
    )


def folder_of_mode(path: Path, mode: int) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def test_chatd_refuses_a_folder_in_which_others_could_replace_its_files(tmp_path: Path) -> None:
    def refuses(flag: str, mode: int) -> Callable[[], None]:
        folder = folder_of_mode(tmp_path / secrets.token_hex(4), mode)

        def check() -> None:
            path = folder if flag == "--home" else folder / "s"
            line = refusal(EXIT_FAILED, "--port", "0", "--home", tmp_path / "other", flag, path)
            assert f"others on this machine may replace what is in {folder} (mode {mode:04o})" in line
            assert f"chmod go-w {folder}" in line
            assert flag in line
            assert list(folder.iterdir()) == []

        return check

    at_once(refuses("--home", 0o777), refuses("--home", 0o702), refuses("--socket", 0o777))


def test_home_made_by_its_user_before_keeps_secrets_all_the_same(tmp_path: Path) -> None:
    for mode in (0o755, 0o1777):
        home = folder_of_mode(tmp_path / f"{mode:o}", mode)
        with Daemon(home):
            modes = {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()}
        assert home.stat().st_mode & 0o7777 == mode
        assert {name: modes[name] for name in ("store", "chatd.sock", "identity.key", "chatd.lock")} == {
            "store": 0o700,
            "chatd.sock": 0o600,
            "identity.key": 0o600,
            "chatd.lock": 0o600,
        }


def test_home_that_chatd_makes_is_private(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    with subprocess.Popen(
        [str(BIN / "chatd"), "--home", str(home), "--host", "127.0.0.1", "--port", "0"],
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as process:
        wait_until((home / "chatd.sock").exists, "the socket")
        assert [path.stat().st_mode & 0o777 for path in (home, home.parent)] == [0o700, 0o700]
        process.send_signal(signal.SIGTERM)


def test_chatd_refuses_a_store_folder_that_others_may_read(tmp_path: Path, home: Path) -> None:
    folder = folder_of_mode(tmp_path / "photos", 0o755)
    line = refusal(EXIT_FAILED, "--home", home, "--port", "0", "--db-path", folder)
    assert "others on this machine may read it (mode 0755)" in line
    assert f"chmod 700 {folder}" in line
    assert folder.stat().st_mode & 0o777 == 0o755
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "owner", "group", "told"),
    [
        (0o755, 1000, 100, False),
        (0o775, 1000, 1000, False),
        (0o775, 1000, 100, True),
        (0o777, 1000, 1000, True),
        (0o1777, 0, 0, False),
    ],
)
def test_folder_is_others_to_change_by_its_mode_and_group(
    mode: int, owner: int, group: int, *, told: bool
) -> None:
    found = os.stat_result((stat.S_IFDIR | mode, 0, 0, 0, owner, group, 0, 0, 0, 0))
    assert others_may_replace(found) is told


@pytest.mark.parametrize("name", ["chatd.lock", "store"])
def test_chatd_refuses_a_home_with_something_in_the_way(home: Path, name: str) -> None:
    if name == "store":
        write(home / name, "mine")
    else:
        (home / name).mkdir()
    assert str(home / name) in refusal(EXIT_FAILED, "--home", home, "--port", "0")


def test_chatd_refuses_a_socket_path_that_is_somebodys_file(home: Path) -> None:
    path = write(home / "chatd.sock", "mine")
    line = refusal(EXIT_FAILED, "--home", home, "--port", "0")
    assert f"{path} is in the way" in line
    assert "--socket" in line
    assert path.read_text() == "mine"


def test_chatd_refuses_a_socket_that_another_home_answers_on(neighbour: Daemon, tmp_path: Path) -> None:
    line = refusal(EXIT_FAILED, "--home", tmp_path / "other", "--port", "0", "--socket", neighbour.socket)
    assert f"another daemon answers on {neighbour.socket}" in line
    assert neighbour.call("node.status")


def test_chatd_refuses_a_socket_whose_queue_is_full_without_waiting(home: Path, tmp_path: Path) -> None:
    """Somebody listens there and does not accept: it is theirs all the same."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(path))
        listener.listen(0)
        first.connect(str(path))
        assert "--socket" in refusal(EXIT_FAILED, "--home", home, "--port", "0", "--socket", path)
    assert path.is_socket()


def test_chatd_refuses_a_store_that_is_none(home: Path) -> None:
    (home / "store").mkdir(mode=0o700)
    data = write(home / "store" / "data.mdb", b"this is no database" * 1000)
    before = data.read_bytes()
    done = run(["chatd", "--home", str(home), "--port", "0"], deadline_s=RUN_S)
    *lines, line = done.stderr.splitlines()
    events = [json.loads(each)["event"] for each in lines]
    # A slow machine also says how far it is.
    assert [each for each in events if not each.endswith("ing")] == ["store_check", "store_damaged"]
    assert line.startswith(f"chatd: the store at {home / 'store'} cannot be used: it is damaged, and nothing")
    assert "; restore the folder from a backup" in line
    assert done.returncode == EXIT_FAILED
    assert data.read_bytes() == before


def test_chatd_takes_over_the_socket_of_one_that_was_killed(spawn: Spawn) -> None:
    daemon = spawn()
    daemon.kill()
    assert daemon.socket.is_socket()
    daemon.start()
    assert daemon.call("node.status")
    assert daemon.socket.stat().st_mode & 0o777 == 0o600


def test_chatd_tells_its_version_and_help() -> None:
    assert run(["chatd", "--version"]).stdout.startswith("chatd ")
    shown = run(["chatd", "--help"])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "--bootstrap" in shown.stdout


# Stopping


def assert_clean(daemon: Daemon) -> None:
    assert "Traceback" not in daemon.log
    assert '"exception"' not in daemon.log
    assert [line for line in daemon.log.splitlines() if json.loads(line)["level"] == "error"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_says_goodbye_and_exits_0(spawn: Spawn, number: signal.Signals) -> None:
    other = spawn(username="bob")
    daemon = spawn("--bootstrap", other.address)
    daemon.wait_peers(1)
    other.wait_peers(1)
    wait_until(lambda: other.call("room.list")[0]["members"] != [], "ann in the room")
    async with Peer.dial(daemon.address) as peer:
        started = time.monotonic()
        assert daemon.stop(number) == 0
        assert time.monotonic() - started < STOP_S
        await peer.closed()
        goodbyes = [message for message in peer.received if isinstance(message, Goodbye)]
        assert [message.reason for message in goodbyes] == ["the node is stopping"]
        assert any(isinstance(message, Publish) for message in peer.received)
    assert other.call("peer.list") == []
    assert other.call("room.list")[0]["members"] == []
    assert "the node is stopping" in other.log
    assert_clean(daemon)


def test_stop_by_rpc_is_answered_and_exits_0(spawn: Spawn) -> None:
    daemon = spawn()
    assert daemon.call("node.stop") == {"ok": True}
    assert daemon.process is not None
    assert daemon.process.wait(STOP_S) == 0
    assert_clean(daemon)


def test_second_signal_changes_nothing(spawn: Spawn) -> None:
    daemon = spawn()
    assert daemon.process is not None
    for _ in range(5):
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.send_signal(signal.SIGINT)
    assert daemon.process.wait(STOP_S) == 0
    assert_clean(daemon)


STUCK_DISK = """
import threading
from chatd import main
from chatd.store.writer import Writer
Writer._write = lambda *_: threading.Event().wait()
main.STOP_S = 1.0
main.main()
"""


def test_stop_with_a_stuck_disk_ends_with_one_line_and_exits_1(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK_DISK, "--home", str(home), "--host", "127.0.0.1", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            daemon = Daemon(home)
            wait_until(daemon.socket.exists, "the socket")
            with ThreadPoolExecutor(1) as pool:
                sending = pool.submit(daemon.call, "message.send", text="never kept")
                assert daemon.call("node.status")
                process.send_signal(signal.SIGTERM)
                assert process.wait(STOP_S) == EXIT_FAILED
                assert sending.exception(STOP_S) is not None  # it was never acknowledged
        finally:
            process.kill()
        assert process.stderr is not None
        events = [json.loads(line) for line in process.stderr]
    assert [event["event"] for event in events] == ["ready", "stopping", "stop_took_too_long"]
    assert events[-1]["level"] == "error"


async def test_stop_under_load_keeps_every_message_that_was_acknowledged(spawn: Spawn) -> None:
    daemon = spawn("--bootstrap", spawn(username="bob").address)
    daemon.wait_peers(1)
    answers: list[dict[str, Any]] = []
    plenty = asyncio.Event()

    async def press(name: str) -> None:
        async with websocket(daemon.socket) as local:
            posting = asyncio.create_task(post(local, name))
            try:
                while True:
                    await local.receive()
                    answers.extend(local.answers.values())
                    local.answers.clear()
                    if len(answers) >= 500:
                        plenty.set()
            except Closed:
                pass
            finally:
                posting.cancel()

    async def post(local: Any, name: str) -> None:
        for number in range(100_000):
            await local.post("message.send", text=f"{name} {number}")

    async with asyncio.TaskGroup() as group:
        for name in ("a", "b", "c", "d"):
            group.create_task(press(name))
        async with asyncio.timeout(STOP_S):
            await plenty.wait()
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(daemon.process.wait, STOP_S) == 0
    assert_clean(daemon)
    acknowledged = {answer["result"]["id"] for answer in answers if "result" in answer}
    assert len(acknowledged) >= 500
    assert {answer["error"]["data"]["kind"] for answer in answers if "error" in answer} <= {"stopping"}
    daemon.start()
    kept: set[str] = set()
    async with websocket(daemon.socket) as local:
        seq = (await local.call("events.subscribe", since=0))["seq"]
        kept.update(event["data"]["id"] for event in await local.messages(seq))
    assert acknowledged <= kept


async def test_stop_under_load_from_peers_is_clean(spawn: Spawn) -> None:
    daemon = spawn()
    author = Identity(b"h" * 32)
    async with Peer.dial(daemon.address) as peer:

        async def press() -> None:
            number = 0
            while peer.failed is None:
                await peer.send(*publish([said(author, f"{number + step}") for step in range(50)]))
                number += 50
                await asyncio.sleep(0)

        pressing = asyncio.create_task(press())
        await asyncio.to_thread(wait_until, lambda: len(daemon.texts) > 500, "some messages")
        assert await asyncio.to_thread(daemon.stop) == 0
        await asyncio.wait([pressing], timeout=STOP_S)
        assert pressing.done()
        assert pressing.exception() is None or isinstance(pressing.exception(), ConnectionError)
    assert_clean(daemon)


# The supervisor


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(STOP_S)
        listener.bind(str(tmp_path / "notify"))
        yield listener


def test_supervisor_hears_when_it_is_ready_and_when_it_stops(supervisor: socket.socket, home: Path) -> None:
    with subprocess.Popen(
        [str(BIN / "chatd"), "--home", str(home), "--host", "127.0.0.1", "--port", "0"],
        stderr=subprocess.DEVNULL,
        env=environment(NOTIFY_SOCKET=supervisor.getsockname()),
    ) as process:
        ready = supervisor.recv(1000).decode().splitlines()
        assert ready[0] == "READY=1"
        assert ready[1].startswith("STATUS=listening on 127.0.0.1:")
        running = Daemon(home)
        assert running.call("node.status")["listen"] in ready[1]  # ready means ready
        process.send_signal(signal.SIGTERM)
        assert supervisor.recv(1000) == b"STOPPING=1"
        assert process.wait(STOP_S) == 0


def test_supervisor_hears_why_it_cannot_run(supervisor: socket.socket, home: Path) -> None:
    write(home / "identity.key", "rubbish")
    refusal(EXIT_FAILED, "--home", home, NOTIFY_SOCKET=str(supervisor.getsockname()))
    assert supervisor.recv(1000).startswith(b"STATUS=identity key ")


# What stays


def test_restart_keeps_identity_rooms_and_history(spawn: Spawn) -> None:
    daemon = spawn()
    daemon.call("room.join", room="games")
    daemon.call("room.join", room="left")
    daemon.call("room.leave", room="left")
    daemon.call("message.send", text="in the lobby")
    daemon.call("message.send", room="games", text="in games")
    before = {
        "identity": daemon.call("identity.show"),
        "rooms": [room["room"] for room in daemon.call("room.list")],
        "history": [daemon.call("message.history", room=room) for room in ("lobby", "games", "left")],
    }
    assert daemon.stop() == 0
    daemon.start()
    assert before == {
        "identity": daemon.call("identity.show"),
        "rooms": [room["room"] for room in daemon.call("room.list")],
        "history": [daemon.call("message.history", room=room) for room in ("lobby", "games", "left")],
    }
    assert before["rooms"] == ["games", "lobby"]
    assert daemon.call("message.send", text="more")["id"]
    assert [item["seq"] for item in daemon.call("message.history")] == [1, 3]


def test_lobby_that_was_left_stays_left(spawn: Spawn) -> None:
    daemon = spawn()
    daemon.call("room.leave", room="lobby")
    daemon.stop()
    daemon.start()
    assert daemon.call("room.list") == []


def test_message_is_there_after_kill_right_behind_its_acknowledgement(spawn: Spawn) -> None:
    daemon = spawn()
    for number in range(3):
        daemon.call("message.send", text=f"kept {number}")
        daemon.kill()
        daemon.start()
    assert daemon.texts == [f"kept {number}" for number in range(3)]


def test_message_of_a_peer_is_there_after_kill_once_it_was_shown(spawn: Spawn) -> None:
    daemon = spawn()
    other = spawn("--bootstrap", daemon.address, username="bob")
    daemon.wait_peers(1)
    assert other.call("message.send", text="from bob")["state"] == "sent"
    daemon.wait_text("from bob")
    daemon.kill()
    other.stop()
    daemon.start()
    assert daemon.texts == ["from bob"]


def test_start_under_the_name_that_somebody_was_given_is_warned_of(spawn: Spawn) -> None:
    daemon = spawn(username="ann")
    daemon.call("peer.alias", peer="a" * PEER_ID_CHARS, alias="Bobby")
    daemon.stop()
    assert "name_like_an_alias" not in daemon.log
    place = daemon.arguments.index("ann")
    daemon.arguments[place] = "b0bby"
    daemon.start()
    assert "name_like_an_alias" in daemon.log
    assert "'b0bby' is too much like 'Bobby', your name for aaaaaaaaaa" in daemon.log


def test_no_persist_keeps_nothing_but_the_identity(spawn: Spawn, tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    daemon = spawn("--no-persist")
    identity = daemon.call("identity.show")
    daemon.call("room.join", room="games")
    daemon.call("message.send", text="soon gone")
    assert daemon.texts == ["soon gone"]
    daemon.stop()
    left = {path.name for path in daemon.home.iterdir()} - {"stderr.log", "chatd.lock", "chatd.sock"}
    assert left == {"identity.key"}
    daemon.start()
    assert daemon.texts == []
    assert daemon.call("identity.show") == identity
    assert [room["room"] for room in daemon.call("room.list")] == ["lobby"]


# Other nodes


def test_peer_that_restarts_on_its_port_is_linked_again(spawn: Spawn) -> None:
    other = spawn(username="bob")
    daemon = spawn("--bootstrap", other.address)
    daemon.wait_peers(1)
    other.arguments += ["--port", other.address.rpartition(":")[2]]
    other.kill()
    daemon.wait_peers(0)
    (dialling,) = daemon.call("node.status")["dialling"]
    assert dialling["address"] == other.arguments[-1].join(["127.0.0.1:", ""])
    assert dialling["reason"]
    daemon.call("message.send", text="while bob was away")
    other.start()
    daemon.wait_peers(1)
    daemon.call("message.send", text="welcome back")
    other.wait_text("welcome back")
    assert daemon.call("node.status")["dialling"] == []


def test_room_joined_later_is_told_to_peers(spawn: Spawn) -> None:
    other = spawn(username="bob")
    daemon = spawn("--bootstrap", other.address)
    daemon.wait_peers(1)
    for member in (daemon, other):
        member.call("room.join", room="games")
    for member in (daemon, other):
        wait_until(
            lambda: member.call("peer.list")[0]["rooms"] == ["games", "lobby"],  # noqa: B023 - used at once
            "both rooms shared",
        )
    assert daemon.call("message.send", room="games", text="your move")["state"] == "sent"
    wait_until(
        lambda: [item["text"] for item in other.call("message.history", room="games")] == ["your move"],
        "the message in the room",
    )
    assert other.texts == []
    other.call("room.leave", room="games")
    wait_until(lambda: daemon.call("peer.list")[0]["rooms"] == ["lobby"], "bob out of the room")
    assert daemon.call("message.send", room="games", text="alone")["state"] == "queued"


def test_networks_and_keys_keep_nodes_apart_and_say_why(spawn: Spawn, tmp_path: Path) -> None:
    key = write(tmp_path / "net.key", "ab" * 32)
    wrong = write(tmp_path / "wrong.key", "cd" * 32)
    daemon = spawn("--network-key", str(key))
    cases = [
        ((), "it needs a network key; pass --network-key"),
        (("--network-key", str(wrong)), "compare --network and --network-key"),
    ]
    for flags, why in cases:
        stranger = spawn("--bootstrap", daemon.address, *flags)
        wait_until(
            lambda: why in (stranger.call("node.status")["dialling"][0]["reason"] or ""),  # noqa: B023 - as above
            why,
        )
        assert stranger.call("peer.list") == []
        stranger.stop()
    assert daemon.call("peer.list") == []
    friend = spawn("--bootstrap", daemon.address, "--network-key", str(key))
    friend.wait_peers(1)
    friend.call("message.send", text="among us")
    daemon.wait_text("among us")


def test_unreachable_address_is_told_with_its_reason(spawn: Spawn) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        daemon = spawn("--bootstrap", address, "--bootstrap", "no.such.host.invalid:1")

        def reasons() -> dict[str, str]:
            return {item["address"]: item["reason"] for item in daemon.call("node.status")["dialling"]}

        wait_until(lambda: all(reasons().values()), "both reasons")
        assert reasons()[address] == "connection refused: nobody listens there"
        assert "no.such.host.invalid:1" in reasons()
    assert daemon.stop() == 0
    assert_clean(daemon)
