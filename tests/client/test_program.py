"""Whatever goes wrong is one line and an exit status."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatctl import program
from chatctl.cli import main
from chatctl.commands.root import COMMANDS
from chatctl.env import Environment
from chatctl.failures import DaemonUnreachable
from tests.client.console import Console
from tests.client.oddserver import answers, hangs, odd_server
from tests.support.daemon import BIN, DEADLINE_S, Daemon, environment, run


def in_shell(line: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env=environment(), check=False
    )


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("sned hi", "there is no command 'sned'; did you mean send?"),
        ("zzz", "there is no command 'zzz'; see chatctl --help"),
        ("", "missing command; see chatctl --help"),
        ("send", "missing argument 'TEXT|-'; see chatctl send --help"),
        ("send a b", "got unexpected extra argument (b); see chatctl send --help"),
        ("peers --jsno", "there is no option --jsno; did you mean --json?"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_status_3(nobody: Console, line: str, error: str) -> None:
    assert nobody.chatctl(*line.split()) == 3
    assert nobody.error == f"chatctl: {error}"
    assert nobody.out == ""


@pytest.mark.parametrize("seconds", ["inf", "nan", "-1", "1e9", "soon"])
def test_time_that_is_none_is_wrong_usage(nobody: Console, seconds: str) -> None:
    assert nobody.chatctl("peers", "--timeout", seconds) == 3
    assert "is not a number of seconds" in nobody.error
    assert nobody.chatctl("status", "--wait", seconds) == 3


@pytest.mark.parametrize(
    ("arguments", "kind", "status"),
    [
        (["peers", "--json"], "unreachable", 2),
        (["--json", "sned"], "usage", 3),
        (["sned", "--json"], "usage", 3),
        (["peers", "--timeout", "x", "--json"], "usage", 3),
    ],
)
def test_error_is_json_too_where_json_is_wanted(
    nobody: Console, arguments: list[str], kind: str, status: int
) -> None:
    assert nobody.chatctl(*arguments) == status
    error = json.loads(nobody.error)["error"]
    assert (error["kind"], error["exit_status"], error["code"]) == (kind, status, None)
    assert error["message"]
    assert error["hint"]


def test_refusal_as_json_has_the_daemons_kind_and_code(console: Console, daemon: Daemon) -> None:
    assert console.chatctl("join", "a b", "--json") == 1
    error = json.loads(console.error)["error"]
    assert (error["kind"], error["code"], error["exit_status"]) == ("bad_name", 1004, 1)
    assert console.chatctl("send", "--room", "a b", "--", "--json") == 1  # that is a text
    assert console.error.startswith("chatctl: 'a b' is not a room name")


def test_backup_that_cannot_be_restored_has_a_kind_of_its_own_and_no_code(
    nobody: Console, tmp_path: Path
) -> None:
    nobody.variables["CHATD_PASSPHRASE"] = "secret"
    (tmp_path / "none").write_text("no backup")
    assert nobody.chatctl("restore", str(tmp_path / "none"), "--json") == 1
    error = json.loads(nobody.error)["error"]
    assert (error["kind"], error["code"], error["exit_status"]) == ("cannot_restore", None, 1)


@pytest.mark.parametrize("seconds", ["0.001", "86400"])
def test_time_at_its_bounds_is_taken(nobody: Console, seconds: str) -> None:
    assert nobody.chatctl("peers", "--timeout", seconds) == 2


def test_no_time_to_wait_is_one_look(nobody: Console) -> None:
    assert nobody.chatctl("status", "--wait", "0") == 2


def test_call_takes_parameters_by_position_and_by_name(console: Console) -> None:
    for params in ('["teapot"]', '{"room": "teapot"}'):
        assert console.chatctl("call", "room.join", params) == 0
        assert json.loads(console.out)["room"] == "teapot"
    assert console.chatctl("call", "room.join", '["a", "b"]') == 1
    assert "at most 1 are taken" in console.error
    assert console.chatctl("call", "room.join", '"teapot"') == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_begins_with_examples(nobody: Console, command: str) -> None:
    assert nobody.chatctl(command, "--help") == 0
    assert nobody.err == ""
    assert nobody.out.index("Usage:") < nobody.out.index("Examples:") < nobody.out.index("Options:")
    assert f"chatctl {command}" in nobody.out[nobody.out.index("Examples:") :]


def test_help_and_version_go_to_standard_output(nobody: Console) -> None:
    assert nobody.chatctl("--help") == 0
    assert nobody.out.index("Examples:") < nobody.out.index("Commands:")
    assert nobody.chatctl("--version") == 0
    assert nobody.out.startswith("chatctl ")
    for command in (["--version", "--json"], ["--json", "--version"]):
        assert nobody.chatctl(*command) == 0
        assert json.loads(nobody.out).keys() == {"program", "version"}
    assert nobody.chat("--help") == 0
    assert "chat --room" in nobody.out


def test_no_daemon_is_exit_status_2_and_the_command_that_starts_one(nobody: Console) -> None:
    assert nobody.chatctl("peers") == 2
    home = nobody.home
    assert nobody.error == f"chatctl: no daemon runs at {home}/chatd.sock; start it: chatd --home {home}"
    assert nobody.chatctl("tail", "-f") == 2
    assert nobody.error.endswith(f"chatd --home {home}")
    assert nobody.chat() == 2
    assert nobody.error.endswith(f"chatd --home {home}")


def test_path_too_long_is_wrong_usage_for_both_clients(nobody: Console) -> None:
    assert nobody.chatctl("peers", "--socket", "x" * 200) == 3
    assert "--socket" in nobody.error
    assert nobody.chat("--socket", "x" * 200) == 3


def test_daemon_that_hangs_is_exit_status_5(tmp_path: Path) -> None:
    console = Console()
    with odd_server(tmp_path / "s", hangs):
        assert console.chatctl("peers", "--socket", str(tmp_path / "s"), "--timeout", "0.05") == 5
    assert "no answer" in console.error


@pytest.mark.parametrize("result", [b"1", b"[1]", b'{"peers": {}}', b'[{"peer_id": null}]', b'"x"'])
@pytest.mark.parametrize(
    "command",
    ["peers", "rooms", "history", "status", "stats", "id", "send x", "tail", "join x", "search x", "export"],
)
def test_result_of_another_shape_is_no_traceback(tmp_path: Path, command: str, result: bytes) -> None:
    console = Console()
    with odd_server(tmp_path / "s", answers(b'{"jsonrpc": "2.0", "id": 1, "result": %b}' % result)):
        status = console.chatctl(*command.split(), "--socket", str(tmp_path / "s"))
        assert status == 2 or console.out + console.err
        if status:
            assert "shape" in console.error
        assert console.chatctl(*command.split(), "--json", "--socket", str(tmp_path / "s")) in (0, 2)


def test_status_waits_for_a_daemon_that_starts(spawn: Any, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "slow")
    daemon.spawn()
    try:
        console = Console(daemon.home)
        assert console.chatctl("status", "--wait", "20", "--json") == 0
    finally:
        daemon.stop()


def test_status_gives_up_waiting_when_time_is_up(nobody: Console, tmp_path: Path) -> None:
    assert nobody.chatctl("status", "--wait", "0.1") == 2
    with odd_server(tmp_path / "s", hangs):
        assert nobody.chatctl("status", "--wait", "0.1", "--socket", str(tmp_path / "s")) == 2
    (tmp_path / "f").touch()
    assert nobody.chatctl("status", "--wait", "60", "--socket", str(tmp_path / "f")) == 2


def test_stop_returns_once_the_daemon_is_gone(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "node").start()
    try:
        console = Console(daemon.home)
        assert console.chatctl("stop") == 0
        assert console.error == "chatctl: the daemon has stopped"
        assert console.chatctl("peers") == 2
        assert daemon.process is not None
        assert daemon.process.wait(DEADLINE_S) == 0
    finally:
        daemon.stop()


def test_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, nobody: Console) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chatctl.rpc.Rpc.call", interrupted)
    assert nobody.chatctl("peers") == 130
    assert nobody.out + nobody.err == ""


def test_bug_is_one_line_unless_its_traceback_is_wanted(
    monkeypatch: pytest.MonkeyPatch, nobody: Console
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("chatctl.rpc.Rpc.call", broken)
    assert nobody.chatctl("peers") == 1
    assert "a bug in chatctl: ZeroDivisionError: oops" in nobody.error
    nobody.variables[program.TRACEBACK_VARIABLE] = "1"
    with pytest.raises(ZeroDivisionError):
        nobody.chatctl("peers")


@pytest.mark.parametrize(
    ("inner", "status", "said"),
    [
        (DaemonUnreachable("/s", "no daemon", "start it"), 2, "chatctl: no daemon; start it\n"),
        (BrokenPipeError(), 0, ""),
        (ZeroDivisionError("oops"), 1, "a bug in chatctl: ZeroDivisionError: oops"),
    ],
)
def test_failure_out_of_tasks_is_what_it_is(
    monkeypatch: pytest.MonkeyPatch, nobody: Console, inner: Exception, status: int, said: str
) -> None:
    def broken(*_: object) -> None:
        raise ExceptionGroup("tasks", [ExceptionGroup("tasks", [inner])])

    monkeypatch.setattr("chatctl.rpc.Rpc.call", broken)
    assert nobody.chatctl("peers") == status
    assert said in nobody.err
    assert bool(said) is bool(nobody.err)


class _Closed(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError


class _Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_reader_that_has_gone_is_no_error(daemon: Daemon) -> None:
    err = io.StringIO()
    env = Environment(io.BytesIO(), _Closed(), err, {"CHATD_HOME": str(daemon.home)})
    assert main(["status"], env) == 0
    assert err.getvalue() == ""


def test_output_that_cannot_be_written_is_an_error(daemon: Daemon) -> None:
    err = io.StringIO()
    env = Environment(io.BytesIO(), _Full(), err, {"CHATD_HOME": str(daemon.home)})
    assert main(["status"], env) == 1
    assert (
        err.getvalue()
        == "chatctl: cannot write to standard output: No space left on device; see where it leads\n"
    )


# The process


def test_process_is_quiet_when_its_reader_leaves(daemon: Daemon) -> None:
    command = f"{BIN}/chatctl --home {daemon.home} stats | true; exit ${{PIPESTATUS[0]}}"
    done = in_shell(command)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["import /etc/passwd", "import --json /etc/passwd"])
@pytest.mark.parametrize("listener", ["true", "head -1"])
def test_talk_that_nobody_reads_changes_no_exit_status(daemon: Daemon, command: str, listener: str) -> None:
    line = (
        f"{BIN}/chatctl --home {daemon.home} {command} 2>&1 >/dev/null | {listener}; exit ${{PIPESTATUS[0]}}"
    )
    assert in_shell(line).returncode == 1


def test_import_goes_on_though_nobody_reads_what_it_leaves_out(daemon: Daemon, tmp_path: Path) -> None:
    daemon.call("message.send", text="for the record")
    good = in_shell(f"{BIN}/chatctl --home {daemon.home} export -o -").stdout
    mixed = tmp_path / "mixed"
    mixed.write_text("bad\n" * 300 + good)
    with Daemon(tmp_path / "other") as other:
        line = f"{BIN}/chatctl --home {other.home} import {mixed} 2> >(true); exit $?"
        assert in_shell(line).returncode == 1
        assert "for the record" in other.texts


def test_process_without_streams_does_what_it_is_told(daemon: Daemon) -> None:
    command = f"{BIN}/chatctl --home {daemon.home} join without >&- 2>&- <&-"
    assert in_shell(command).returncode == 0
    assert "without" in [room["room"] for room in daemon.call("room.list")]


@pytest.mark.parametrize("command", ["stats", "stats --json", "export", "--version"])
def test_answer_that_nobody_can_get_is_no_success(daemon: Daemon, command: str) -> None:
    daemon.call("message.send", text="for the record")
    done = in_shell(f"{BIN}/chatctl --home {daemon.home} {command} >&-")
    assert done.returncode == 1
    assert "Bad file descriptor" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        "send 'out of paper'",
        "send - --lines <<< 'out of paper'",
        "send --wait --timeout 0.1 --json 'out of paper'",
    ],
)
def test_message_that_was_sent_is_said_to_be_though_its_id_cannot_be_written(
    daemon: Daemon, command: str
) -> None:
    done = in_shell(f"{BIN}/chatctl --home {daemon.home} {command} >/dev/full")
    assert done.returncode == 1
    assert "the message was sent; cannot write" in done.stderr
    assert "do not send it again" in done.stderr
    assert daemon.texts[-1] == "out of paper"


def test_process_reports_a_full_disk(daemon: Daemon) -> None:
    with Path("/dev/full").open("w") as full:
        command = [str(BIN / "chatctl"), "--home", str(daemon.home), "status"]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_process_escapes_what_the_locale_cannot_write(daemon: Daemon) -> None:
    daemon.call("message.send", text="é 日 😀")
    home = str(daemon.home)
    plain = run(["chatctl", "--home", home, "history", "-n", "1"], PYTHONIOENCODING="ascii")
    assert plain.stdout.endswith("\\xe9 \\u65e5 \\U0001f600\n")
    as_json = run(["chatctl", "--home", home, "--json", "history"], PYTHONIOENCODING="ascii")
    assert json.loads(as_json.stdout)[-1]["text"] == "é 日 😀"


HEAVY = {
    *("asyncio", "click.shell_completion", "http.client", "prompt_toolkit", "websockets"),
    *("chatcore.api", "chatcore.words", "msgpack", "nacl", "wcwidth"),
}


def test_peers_imports_nothing_heavy(daemon: Daemon) -> None:
    code = (
        "import sys; from chatctl.cli import main; status = main(sys.argv[1:]);"
        f"heavy = {HEAVY};"
        "print(sorted(heavy & set(sys.modules))); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "--home", str(daemon.home), "--json", "peers"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout == "[]\n[]\n"


def test_chat_imports_nothing_heavy_beside_line_editor_and_websocket() -> None:
    code = (
        "import sys, chatctl.repl.root, chatctl.repl.terminal, chatctl.repl.screen;"
        "heavy = {'aiohttp', 'h11', 'chatcore.api', 'chatcore.words', 'msgpack', 'nacl', 'tomllib'};"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(),
        check=False,
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")
