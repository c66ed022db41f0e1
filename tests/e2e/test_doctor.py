"""`chatctl doctor` on broken setups of real processes: each time it names the cause, and says what to do."""

import json
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Spawn
from tests.support.daemon import Daemon, free_port, run, wait_until
from tests.support.readonly import read_only

HOUR_S = 3600
RUN_S = 40.0


def doctor(home: Path, **environ: str) -> tuple[int, list[dict[str, Any]]]:
    """Its exit code, and its checks."""
    done = run(["chatctl", "--home", str(home), "doctor", "--json"], stdin=None, deadline_s=RUN_S, **environ)
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    states = [check["state"] for check in found["checks"]]
    assert found["state"] == max(states, key=["ok", "unknown", "warn", "broken"].index)
    return done.returncode, found["checks"]


def broken(home: Path, **environ: str) -> dict[str, dict[str, Any]]:
    code, checks = doctor(home, **environ)
    assert code == 1
    found = {check["name"]: check for check in checks if check["state"] == "broken"}
    assert all(check["cause"] and check["fix"] for check in found.values())
    return found


def refused_start(home: Path, *argv: str, **environ: str) -> None:
    command = ["chatd", "--home", str(home), "--host", "127.0.0.1", *argv]
    assert run(command, stdin=None, deadline_s=RUN_S, **environ).returncode == 1


def test_node_that_is_well_has_nothing_broken(spawn: Spawn) -> None:
    ann = spawn()
    bob = spawn("--bootstrap", ann.address, username="bob")
    bob.wait_peers(1)

    def well() -> bool:
        states = {check["name"]: check["state"] for check in bob.call("node.doctor")["checks"]}
        return bool(states["clock"] == "ok")

    wait_until(well, "the clocks told")
    code, checks = doctor(bob.home)
    states = {check["name"]: check["state"] for check in checks}
    assert code == 0
    assert {name for name, state in states.items() if state == "ok"} >= {
        *("bootstrap", "peers", "clock", "mdns", "disk", "store", "files", "versions"),
    }


# The five


def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with socket.create_server(("127.0.0.1", 0)) as other:
        environ = {"CHATD_PORT": str(other.getsockname()[1]), "CHATD_HOST": "127.0.0.1"}
        refused_start(home, **environ)
        found = broken(home, **environ)
    assert set(found) == {"daemon", "port"}
    assert found["port"]["finding"].endswith(environ["CHATD_PORT"])
    assert found["port"]["cause"] == f"port {environ['CHATD_PORT']} is already in use"
    assert "--port" in found["port"]["fix"]


def test_bootstrap_that_is_dead_is_named(spawn: Spawn) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    ann = spawn("--bootstrap", nobody, "--bootstrap", "nowhere.invalid:8080")
    code, checks = doctor(ann.home)
    dead = {check["finding"].partition(": ")[0]: check for check in checks if check["name"] == "bootstrap"}
    assert code == 1
    assert dead[nobody]["state"] == dead["nowhere.invalid:8080"]["state"] == "broken"
    assert dead[nobody]["cause"] == "connection refused: nobody listens there"
    assert "the name nowhere.invalid does not resolve" in dead["nowhere.invalid:8080"]["cause"]


def test_clock_that_is_an_hour_ahead_is_named(spawn: Spawn, tmp_path: Path) -> None:
    ann = spawn()
    for name in ("bob", "carl"):
        spawn("--bootstrap", ann.address, username=name)
    ahead = Daemon(tmp_path / "ahead", "--bootstrap", ann.address, username="ahead")
    ahead.program = (sys.executable, "-m", "tests.support.clock", str(HOUR_S))
    with ahead:
        wait_until(lambda: "3 of 3 peers" in json.dumps(ahead.call("node.doctor")), "three clocks told")
        found = broken(ahead.home)
        assert set(found) == {"clock"}
        assert found["clock"]["cause"] == "this machine's clock is about 1 h ahead of 3 of 3 peers"
        assert found["clock"]["fix"] == "set the clock: timedatectl set-ntp true"
        theirs = {check["name"]: check for check in ann.call("node.doctor")["checks"]}["clock"]
        assert (theirs["state"], theirs["cause"][:19]) == ("warn", "theirs, most likely")


def test_store_that_is_read_only_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Daemon(home):
        pass
    with read_only(home / "store"):
        refused_start(home, "--port", "0")
        found = broken(home, CHATD_PORT="0")
    assert set(found) == {"daemon", "disk"}
    assert str(home / "store") in found["disk"]["cause"]
    assert ("is read-only" if os.geteuid() == 0 else "may not write") in found["disk"]["cause"]
    assert "writable" in found["disk"]["fix"]


@pytest.mark.parametrize("keyed", [False, True])
def test_other_network_is_named(spawn: Spawn, tmp_path: Path, keyed: bool) -> None:
    ann = spawn()
    arguments = ["--network", "other"]
    if keyed:
        key = tmp_path / "team.key"
        key.touch(0o600)
        key.write_text(secrets.token_hex(32))
        arguments = ["--network-key", str(key)]
    bob = spawn(*arguments, "--bootstrap", ann.address, username="bob")
    wait_until(lambda: bob.call("node.status")["dialling"][0]["reason"] is not None, "the first dial's end")
    found = broken(bob.home)
    assert set(found) == {"bootstrap"}
    assert found["bootstrap"]["finding"].startswith(ann.address)
    assert found["bootstrap"]["cause"].startswith("it is of another network, or has another network key: ")
    assert "--network-key" in found["bootstrap"]["fix"]
    told = {check["name"]: check for check in ann.call("node.doctor")["checks"]}["peers"]
    assert "of another network" in told["cause"]


# Further reasons why nobody answers


def test_daemon_that_is_not_started_is_named_with_what_starts_it(tmp_path: Path) -> None:
    found = broken(tmp_path / "home", CHATD_PORT="0")
    assert set(found) == {"daemon"}
    assert found["daemon"]["finding"] == f"no daemon runs at {tmp_path / 'home' / 'chatd.sock'}"
    assert found["daemon"]["fix"] == f"start it: chatd --home {tmp_path / 'home'}"


def test_daemon_with_another_socket_is_found_by_its_lock(spawn: Spawn, tmp_path: Path) -> None:
    ann = spawn()
    (ann.home / "chatd.sock").rename(tmp_path / "elsewhere.sock")
    assert ann.process is not None
    found = broken(ann.home)
    assert found["lock"]["finding"] == f"process {ann.process.pid} runs on {ann.home} already"


def test_settings_that_are_wrong_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("prot = 1\n")
    found = broken(tmp_path)
    assert set(found) == {"daemon", "start"}
    assert found["start"]["finding"] == "its settings are wrong"
    assert "unknown key 'prot'" in found["start"]["cause"]
