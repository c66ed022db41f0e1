"""What docs/rpc.md tells people to type is typed here, at real daemons."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chatcore.api import METHODS
from chatcore.api.table import cast
from tests.conftest import Spawn
from tests.support.curl import path_with_curl
from tests.support.daemon import DEADLINE_S, environment, wait_until
from tests.support.shapes import misfits

PAGE = (Path(__file__).parents[2] / "docs" / "rpc.md").read_text()
COMMANDS: list[str] = re.findall(r"^```sh\n(curl .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
JSON: list[str] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def typed(command: str, folder: Path, socket: Path) -> Any:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(SOCKET=str(socket), PATH=path_with_curl(folder, os.environ["PATH"])),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), command
    return json.loads(done.stdout)


def asked(command: str) -> Any:
    (body,) = re.findall(r"-d '(.*)'$", command, re.MULTILINE)
    return json.loads(body)


def test_every_command_of_the_page_works_as_written(tmp_path: Path, spawn: Spawn) -> None:
    bob = spawn(username="bob")
    ann = spawn("--bootstrap", bob.address)
    ann.wait_peers(1)
    said = ann.call("message.send", text="hi bob")["id"]
    (signed,) = ann.call("message.history", signed=True)
    real = {  # for whom and what the page speaks of
        cast.SIGNED["payload"]: signed["payload"],
        cast.SIGNED["signature"]: signed["signature"],
        cast.BOB: bob.call("identity.show")["peer_id"],
        cast.BOB_AT: bob.address,
        cast.BACKUP: str(tmp_path / "backup"),
        cast.HI[:10]: said[:10],
        cast.HI[10:]: said[10:],
    }
    last = [command for command in COMMANDS if asked(command) and "node.stop" in command]
    for command in [command for command in COMMANDS if command not in last] + last:
        meant = re.sub("|".join(map(re.escape, real)), lambda found: real[found[0]], command)
        requests, answers = asked(meant), typed(meant, tmp_path, ann.socket)
        batch = isinstance(requests, list)
        for request, answer in zip(*((requests, answers) if batch else ([requests], [answers])), strict=True):
            assert request["id"] == answer["id"]
            assert "error" not in answer, (request, answer)
            assert misfits(request["method"], answer["result"]) == []
    assert ann.process is not None
    wait_until(lambda: ann.process is None or ann.process.poll() == 0, "the end that node.stop asked for")


@pytest.mark.parametrize("text", JSON)
def test_every_piece_of_json_on_the_page_is_json(text: str) -> None:
    json.loads(text)


def test_page_has_a_command_for_every_method_but_that_of_the_websocket() -> None:
    found = [request for command in COMMANDS for request in [asked(command)] if isinstance(request, dict)]
    assert {request["method"] for request in found} == METHODS.keys() - {"events.subscribe"}
