"""The README's bot, as it stands there, between real daemons."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Spawn
from tests.support.daemon import Daemon, environment

README = (Path(__file__).parents[2] / "README.md").read_text()
(BOT,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def ann(spawn: Spawn) -> Daemon:
    return spawn()


@pytest.fixture
def bob(spawn: Spawn, ann: Daemon) -> Daemon:
    bob = spawn("--bootstrap", ann.address, username="bob")
    bob.wait_peers(1)
    return bob


@pytest.fixture
def bot(ann: Daemon, bob: Daemon, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """On ann's daemon, and listening."""
    program = tmp_path / "bot.py"
    program.write_text(BOT.replace("/tmp/ann", str(ann.home)))
    with (tmp_path / "bot.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, str(program)], stderr=log, env=environment())
    number = 0
    while not any(text.startswith("ready") for text in bob.texts):  # until then it may not have subscribed
        assert process.poll() is None, (tmp_path / "bot.log").read_text()
        number += 1
        bob.call("message.send", text=f"!echo ready {number}")
        bob.wait_text(f"!echo ready {number}")
    yield process
    process.kill()
    process.wait()


def test_bot_of_the_readme_has_few_lines() -> None:
    assert len(BOT.splitlines()) <= 15


def test_bot_of_the_readme_echoes_others_and_never_itself(
    ann: Daemon, bob: Daemon, bot: "subprocess.Popen[bytes]"
) -> None:
    ann.call("message.send", text="!echo my own")
    bob.call("message.send", text="not for the bot")
    bob.call("message.send", text="!echo !echo twice")  # its answer would make it answer again
    bob.wait_text("!echo twice")
    bob.call("message.send", text="!echo the end")
    bob.wait_text("the end")
    answers = [item["text"] for item in bob.call("message.history", limit=1000) if item["username"] == "ann"]
    assert [text for text in answers if not text.startswith("ready")] == [
        "!echo my own",
        "!echo twice",
        "the end",
    ]


def test_bot_of_the_readme_outlives_its_daemon_and_answers_what_was_said_meanwhile(
    ann: Daemon, bob: Daemon, bot: "subprocess.Popen[bytes]"
) -> None:
    ann.arguments += ["--bootstrap", bob.address]
    ann.kill()
    bob.call("message.send", text="!echo while you were away")
    ann.start()
    bob.wait_text("while you were away")
    assert bot.poll() is None
    assert bob.texts.count("while you were away") == 1
