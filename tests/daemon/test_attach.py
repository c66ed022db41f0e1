"""The command lines a second terminal is told to type."""

import sys
from pathlib import Path

import pytest

from chatd import attach


@pytest.fixture(autouse=True)
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the scripts, from which chatd was started, and a PATH that does not lead there."""
    folder = tmp_path / "bin"
    for name in ("chatd", "chat", "chatctl"):
        program(folder / name)
    monkeypatch.setattr(sys, "argv", [str(folder / "chatd")])
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    return folder


def program(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)


def test_client_that_is_not_on_the_path_is_named_by_its_own(
    scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attach.command("chat", "/h", "/h/chatd.sock") == f"{scripts}/chat --home /h"
    monkeypatch.setattr(sys, "argv", ["bin/chatd"])
    assert attach.command("chatctl", "/h", "/h/chatd.sock") == f"{scripts}/chatctl --home /h"


def test_client_on_the_path_is_named_shortly(
    tmp_path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "chat").symlink_to(scripts / "chat")
    for folder in (scripts, links):
        monkeypatch.setenv("PATH", str(folder))
        assert attach.command("chat", "/h", "/h/chatd.sock") == "chat --home /h"


def test_another_program_of_the_same_name_is_not_taken_for_ours(
    tmp_path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package ppp has a `chat` too."""
    program(tmp_path / "sbin" / "chat")
    monkeypatch.setenv("PATH", f"{tmp_path}/sbin")
    assert attach.command("chat", "/h", "/h/chatd.sock") == f"{scripts}/chat --home /h"


def test_client_is_beside_the_interpreter_when_run_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/src/chatd/main.py"])
    beside = Path(sys.executable).parent / "chat"
    assert attach.command("chat", "/h", "/h/chatd.sock") == f"{beside} --home /h"


def test_place_is_absolute_and_quoted(tmp_path: Path, scripts: Path) -> None:
    shown = attach.command("chat", "my home", "my home/chatd.sock")
    assert shown == f"{scripts}/chat --home '{tmp_path}/my home'"
    assert attach.command("chat", "h/", "h/chatd.sock").endswith(f" --home {tmp_path}/h")


@pytest.mark.parametrize("home", [None, "/h"])
def test_socket_elsewhere_is_named_itself(home: str | None, tmp_path: Path, scripts: Path) -> None:
    assert attach.command("chat", home, "s") == f"{scripts}/chat --socket {tmp_path}/s"
