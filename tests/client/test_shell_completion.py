"""`chatctl completion` in real shells: what Tab makes of a word, with a daemon and without one."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatcore.api import METHODS
from chatctl.commands.root import COMMANDS
from tests.client.console import Console
from tests.client.oddserver import hangs, odd_server
from tests.support.daemon import BIN, Daemon, run, wait_until
from tests.support.terminal import Terminal
from tests.support.tools import tool

PROMPT = "ready>"
TILDE = {"zsh": "\\~"}
"""How a shell writes it where it is not alone."""

SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], f"PS1='{PROMPT} '; source <(chatctl completion bash)"),
    "zsh": (
        ["-f", "-i"],
        f"PROMPT='{PROMPT} '; autoload -U compinit; compinit -u -D; source <(chatctl completion zsh)",
    ),
    "fish": (
        ["--no-config", "-i"],
        f"function fish_prompt; echo -n '{PROMPT} '; end; chatctl completion fish | source",
    ),
}


@contextmanager
def shell(name: str, folder: Path, home: Path) -> Iterator[Terminal]:
    """An interactive one that has read the script, as a person's start-up file does."""
    arguments, start = SHELLS[name]
    variables = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "CHATD_HOME": str(home),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "BASH_SILENCE_DEPRECATION_WARNING": "1",
    }
    with Terminal(tool(name), *arguments, columns=120, variables=variables) as terminal:
        terminal.enter(f"{start}; clear")
        terminal.wait_for(PROMPT)
        terminal.wait_gone("completion")
        yield terminal


@pytest.fixture
def talked(daemon: Daemon) -> Daemon:
    for room in ("teahouse", "workshop"):
        daemon.call("room.join", room=room)
    return daemon


@pytest.mark.parametrize("name", SHELLS)
def test_shell_completes_commands_options_rooms_and_methods(
    name: str, tmp_path: Path, talked: Daemon
) -> None:
    with shell(name, tmp_path, talked.home) as terminal:
        for begun, whole in [
            ("chatctl disc", "chatctl disconnect "),
            ("chatctl peers --js", "chatctl peers --json "),
            ("chatctl send --room te", "chatctl send --room teahouse "),
            ("chatctl history wor", "chatctl history workshop "),
            ("chatctl call identity.s", "chatctl call identity.show "),
            ("chatctl send --room=te", "chatctl send --room=teahouse "),
            ("chatctl history \\#wor", "chatctl history \\#workshop "),
            ("chatctl history '#wor", "chatctl history '#workshop'"),
            (f"chatctl leave --home {talked.home} wo", f"chatctl leave --home {talked.home} workshop "),
        ]:
            terminal.type(f"{begun}\t")
            terminal.wait_for(f"{PROMPT} {whole}".rstrip())
            terminal.type("\x15")
            terminal.wait_gone(whole)


@pytest.mark.parametrize("name", SHELLS)
def test_shell_completes_people_of_other_nodes(name: str, tmp_path: Path, talked: Daemon) -> None:
    bob = Daemon(tmp_path / "bob", "--bootstrap", talked.address, username=f"bob-of-{name}")
    with bob, shell(name, tmp_path, talked.home) as terminal:
        talked.wait_peers(1)
        key = bob.call("identity.show")["peer_id"]
        terminal.type(f"chatctl block bob-of-{name[0]}\t")
        said = f"bob-of-{name}~{key[:4]}"
        terminal.wait_for(f"chatctl block {said.replace('~', TILDE.get(name, '~'))}")
    wait_until(lambda: not talked.call("peer.list"), "the link to end")


@pytest.mark.parametrize("name", SHELLS)
def test_shell_is_left_in_peace_when_no_daemon_runs(name: str, tmp_path: Path) -> None:
    with shell(name, tmp_path, tmp_path / "nobody") as terminal:
        terminal.type("chatctl send --room te\t")
        terminal.type("a now\t")
        terminal.wait_for("chatctl send --room tea now")
        assert "no daemon" not in terminal.text


@pytest.mark.parametrize("name", SHELLS)
def test_script_can_be_read_by_its_shell(name: str, tmp_path: Path) -> None:
    home = str(tmp_path)
    for program in ("chatctl", "chat", "chatd"):
        script = run(["chatctl", "--home", home, "completion", name, program])
        assert (script.returncode, script.stderr) == (0, "")
        done = run([tool(name), "-n"], stdin=script.stdout)
        assert (done.returncode, done.stderr) == (0, "")


# What is offered, without a shell


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Console, str], list[str]]:
    """The words offered for the last one of a line."""

    def ask(console: Console, line: str) -> list[str]:
        program = line.split(maxsplit=1)[0]
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        console.variables[f"_{program.upper()}_COMPLETE"] = "bash_complete"
        assert (console.chatctl() if program == "chatctl" else console.chat()) == 0
        assert console.err == ""
        return [item.partition(",")[2] for item in console.out.split()]

    return ask


Offered = Callable[[Console, str], list[str]]


def test_every_command_and_method_is_offered(console: Console, offered: Offered) -> None:
    assert set(offered(console, "chatctl ")) == set(COMMANDS)
    assert offered(console, "chatctl call ") == list(METHODS)
    assert "--room" in offered(console, "chat --")


@pytest.mark.usefixtures("talked")
def test_chat_offers_the_rooms_to_talk_in(console: Console, offered: Offered) -> None:
    assert offered(console, "chat --room te") == ["teahouse"]


def test_rooms_left_are_offered_where_their_history_is_read(
    console: Console, talked: Daemon, offered: Offered
) -> None:
    talked.call("room.join", room="attic")
    talked.call("room.leave", room="attic")
    assert offered(console, "chatctl history at") == ["attic"]
    assert offered(console, "chatctl history \\#at") == ["\\\\#attic"]
    assert offered(console, "chatctl history '#at") == ["#attic"]
    assert offered(console, "chatctl leave at") == []
    assert offered(console, "chatctl join AT") == ["attic"]


def test_names_a_shell_would_act_on_are_never_offered(
    console: Console, talked: Daemon, tmp_path: Path, offered: Offered
) -> None:
    for number, nick in enumerate(("$(reboot)", "-rf", "a b", "a;b", "~root", "*", "a`b`", "x'y")):
        name = tmp_path / f"odd{number}"
        with Daemon(name, "--bootstrap", talked.address, username=nick) as odd:
            talked.wait_peers(1)
            short = odd.call("identity.show")["peer_id"][:10]
            assert offered(console, "chatctl disconnect ") == [short]
            assert offered(console, f"chatctl disconnect {short[:3]}") == [short]
        wait_until(lambda: not talked.call("peer.list"), "the link to end")


def test_daemon_that_hangs_offers_nothing(tmp_path: Path, offered: Offered) -> None:
    with odd_server(tmp_path / "s", hangs):
        assert offered(Console(), f"chatctl --socket {tmp_path}/s send --room ") == []


@pytest.mark.parametrize("line", ["chatctl sned ", "chatctl send --no-such ", "chatctl send --timeout x "])
def test_line_that_is_wrong_offers_nothing_and_says_nothing(
    nobody: Console, line: str, offered: Offered
) -> None:
    assert offered(nobody, line) == []


def test_shell_that_is_unknown_is_wrong_usage(nobody: Console) -> None:
    assert nobody.chatctl("completion", "ksh") == 3
    assert "'bash', 'zsh', 'fish'" in nobody.error


def test_script_comes_as_json_too(nobody: Console) -> None:
    assert nobody.chatctl("completion", "fish", "--json") == 0
    assert json.loads(nobody.out)["script"].startswith("function _chatctl_completion")
