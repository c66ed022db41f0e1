"""`chatctl doctor` and `/doctor`, on a daemon that runs, on none, and on what answers oddly."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from chatctl.commands import doctor
from chatctl.failures import ExitStatus
from tests.client.console import Console
from tests.support.daemon import Daemon


def test_doctor_prints_a_line_for_each_check(console: Console) -> None:
    assert console.chatctl("doctor") == 0
    assert console.err == ""
    lines = console.out.splitlines()
    assert lines[0].startswith("warn     listening  on 127.0.0.1:")
    assert lines[1].strip() == "cause: only this machine itself can reach it there"
    assert any(line.startswith("ok       disk ") for line in lines)


def test_doctor_prints_what_the_daemon_said_as_json(console: Console, daemon: Daemon) -> None:
    assert console.chatctl("doctor", "--json") == 0
    found = json.loads(console.out)
    assert found["state"] == "warn"
    told = daemon.call("node.doctor")
    assert [check["name"] for check in found["checks"]] == [check["name"] for check in told["checks"]]


def test_doctor_in_the_chat_shows_the_same(console: Console) -> None:
    console.stdin = b"/doctor\n"
    assert console.chat() == 0
    assert "warn     listening  on 127.0.0.1:" in console.out
    assert "cause: only this machine itself" in console.out


def test_doctor_of_a_daemon_that_is_not_there_looks_from_outside(nobody: Console) -> None:
    nobody.variables["CHATD_PORT"] = "0"
    assert nobody.chatctl("doctor") == ExitStatus.REFUSED
    assert nobody.err == ""
    assert nobody.out.startswith(f"broken   daemon  no daemon runs at {nobody.home}/chatd.sock\n")
    assert f"fix: start it: chatd --home {nobody.home}\n" in nobody.out
    assert "ok       port    any free one\n" in nobody.out
    assert nobody.home is not None
    assert not nobody.home.exists()


def test_doctor_passes_on_where_the_daemon_is(tmp_path: Path) -> None:
    console = Console(variables={"HOME": str(tmp_path), "CHATD_PORT": "0"})
    assert console.chatctl("doctor", "--home", str(tmp_path / "h"), "--json") == 1
    assert f"{tmp_path / 'h'} can be made" in console.out
    assert console.chatctl("doctor", "--socket", str(tmp_path / "s.sock"), "--json") == 1
    assert f"{tmp_path / 's.sock'} is free" in console.out


def test_doctor_says_what_is_wrong_with_the_settings(nobody: Console) -> None:
    nobody.variables["CHATD_PORT"] = "many"
    assert nobody.chatctl("doctor", "--json") == 1
    daemon, start = json.loads(nobody.out)["checks"]
    assert daemon["cause"] == "see what is broken below"
    assert start["finding"] == "its settings are wrong"
    assert "'many' is not a valid integer" in start["cause"]
    assert start["fix"] == "see chatd --help"


def test_doctor_says_when_chatd_itself_does_not_run(nobody: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert nobody.chatctl("doctor", "--json") == 1
    start = json.loads(nobody.out)["checks"][1]
    assert (start["finding"], start["cause"]) == ("chatd --check ended with 1", "it said nothing")


def test_doctor_does_not_wait_for_a_check_that_hangs(
    nobody: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(doctor, "CHECK_S", 0.1)
    assert nobody.chatctl("doctor", "--json") == 1
    assert json.loads(nobody.out)["checks"][1]["finding"] == "chatd --check did not end"


@pytest.mark.parametrize("odd", [{}, [], {"checks": [{}]}, {"state": "ok", "checks": 5}])
def test_doctor_of_another_shape_is_refused_in_one_line(
    console: Console, monkeypatch: pytest.MonkeyPatch, odd: Any
) -> None:
    monkeypatch.setattr("chatctl.rpc.Rpc.call", lambda *_: odd)
    assert console.chatctl("doctor") == ExitStatus.UNREACHABLE
    assert "has a shape this client does not know" in console.error
