"""What the README tells people to type is typed here."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.conftest import Spawn
from tests.support.curl import path_with_curl
from tests.support.daemon import BIN, DEADLINE_S, Daemon, environment, wait_until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TOUR_DEADLINE_S = 60.0


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_tour_works_as_written(tmp_path: Path) -> None:
    script = "".join(blocks("sh tour"))
    for name in ("ann", "bob"):
        script = script.replace(f"/tmp/{name}", str(tmp_path / name))
    for port in ("9001", "9002"):
        script = script.replace(port, str(free_port()))
    script = script.replace('"$PWD/.venv/bin', f'"{BIN}')
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{script}\nwait"],
        capture_output=True,
        text=True,
        timeout=TOUR_DEADLINE_S,
        env=environment(HOME=str(tmp_path), PATH=path_with_curl(tmp_path, os.environ["PATH"])),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in ("hi bob", "from a pipe", "the kettle is on", '"peer_id"', '"jsonrpc":"2.0"'):
        assert shown in done.stdout
    assert "Traceback" not in done.stderr


def test_stand_in_for_curl_asks_what_the_tour_asks(tmp_path: Path, spawn: Spawn) -> None:
    daemon = spawn()
    (command,) = re.findall(r"^curl (?:.*\\\n)*.*\n", "".join(blocks("sh tour")), re.MULTILINE)
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("/tmp/ann", str(daemon.home))],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(PATH=path_with_curl(tmp_path, "")),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["result"]["peer_id"] == daemon.call("identity.show")["peer_id"]


def type_elsewhere(command: str, folder: Path) -> None:
    """In a terminal of its own: another folder, another PATH; one line is said in the chat."""
    subprocess.run(
        ["/bin/sh", "-c", command],
        input="said there\n",
        text=True,
        cwd=folder,
        timeout=DEADLINE_S,
        env=environment(PATH="/usr/sbin:/usr/bin:/sbin:/bin"),
        check=True,
    )


def test_make_run_says_how_to_attach_and_stops_at_interrupt(tmp_path: Path) -> None:
    log = tmp_path / "log"
    make = [
        "make",
        "--no-print-directory",
        "run",
        f"VENV={BIN.parent}",
        "PORT=0",
        f"HOME_DIR={tmp_path}/home",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*make, "ARGS=--host 127.0.0.1"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(HOME=str(tmp_path)),
            start_new_session=True,
        )
    try:
        wait_until(
            lambda: "Ctrl-C stops it" in log.read_text(), "make run", alive=lambda: process.poll() is None
        )
        shown = log.read_text()
        (chat,) = re.findall(rf"^  (.*chat --home {tmp_path}/home)$", shown, re.MULTILINE)
        (chatctl,) = re.findall(rf"^  (.*chatctl --home {tmp_path}/home) --help$", shown, re.MULTILINE)
        (attach,) = re.findall(r"^attach from another terminal: (make chat .*)$", shown, re.MULTILINE)
        type_elsewhere(chat, tmp_path)
        type_elsewhere(f"{chatctl} send - && {chatctl} --help", tmp_path)
        type_elsewhere(f"{attach} VENV={BIN.parent}", ROOT)
        texts = [item["text"] for item in Daemon(tmp_path / "home").call("message.history")]
        assert texts == ["said there"] * 3
        subprocess.run(
            [str(BIN / "chatctl"), "--home", f"{tmp_path}/home", "stop"], check=True, env=environment()
        )
        assert process.wait(DEADLINE_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_make_clean_keeps_who_you_are_and_what_was_said() -> None:
    def removed(target: str) -> list[str]:
        shown = subprocess.run(
            ["make", "--dry-run", "--no-print-directory", target],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return shown.stdout.split()[2:]

    assert ".venv" in removed("clean")
    assert ".run" not in removed("clean")
    assert removed("forget") == [".run"]


def test_settings_example_is_a_valid_file(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    config = tmp_path / "config.toml"
    config.write_text(example + "\nlog-format = 'nonsense'\n")
    done = subprocess.run(
        [sys.executable, "-m", "chatd.main", "--home", str(tmp_path / "home"), "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(),
        check=False,
    )
    # Every key of the example is taken; only the one added here is wrong.
    assert done.returncode == 3
    assert "log-format" in done.stderr
