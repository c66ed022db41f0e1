"""Stores cut short, with bytes flipped and pages wiped, given to a real daemon: what does it make of them?"""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.daemon import Daemon

MESSAGES = 300
PAGE_BYTES = 4096
START_S = 20.0
STARTS = 3
"""One that dies of a page it touches, one that finds the damage, one to spare."""

Spoil = Callable[[bytearray, random.Random], bytearray]


def flip_one(data: bytearray, rng: random.Random) -> bytearray:
    data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    return data


def flip_many(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(200):
        flip_one(data, rng)
    return data


def cut_short(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def wipe_page(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data) // PAGE_BYTES) * PAGE_BYTES
    data[start : start + PAGE_BYTES] = bytes(PAGE_BYTES)
    return data


def wipe_many(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(8):
        wipe_page(data, rng)
    return data


def exchange_pages(data: bytearray, rng: random.Random) -> bytearray:
    one, two = (rng.randrange(len(data) // PAGE_BYTES) * PAGE_BYTES for _ in range(2))
    first = data[one : one + PAGE_BYTES]
    data[one : one + PAGE_BYTES] = data[two : two + PAGE_BYTES]
    data[two : two + PAGE_BYTES] = first
    return data


SPOILS: tuple[Spoil, ...] = (flip_one, flip_many, cut_short, wipe_page, wipe_many, exchange_pages)


@dataclass(slots=True)
class Verdicts:
    cases: int = 0
    served: int = 0
    quarantined: int = 0
    refused: int = 0
    altered: int = 0
    silent: int = 0
    """Neither served nor refused with a reason: the one thing beside `altered` that must not be."""

    messages_kept: list[int] = field(default_factory=list)


def spoil_again_and_again(folder: Path, cases: int, *, seed: int) -> Verdicts:
    rng = random.Random(seed)
    whole = Daemon(folder / "whole")
    with whole:
        for number in range(MESSAGES):
            whole.call("message.send", text=f"{number} ".ljust(300, "x"))
        truth = texts_by_id(whole)
        whole.kill()
    verdicts = Verdicts()
    for case in range(cases):
        home = folder / f"case{case}"
        shutil.copytree(whole.home, home, ignore=shutil.ignore_patterns("*.sock"))
        data = home / "store" / "data.mdb"
        data.write_bytes(SPOILS[case % len(SPOILS)](bytearray(data.read_bytes()), rng))
        _try(Daemon(home), truth, verdicts)
        shutil.rmtree(home)
    return verdicts


def texts_by_id(daemon: Daemon) -> dict[str, str]:
    return {item["id"]: item["text"] for item in daemon.call("message.history", limit=1000)}


def _try(daemon: Daemon, truth: dict[str, str], verdicts: Verdicts) -> None:
    (daemon.home / "stderr.log").unlink(missing_ok=True)
    verdicts.cases += 1
    for _ in range(STARTS):
        try:
            daemon.start(START_S)
            found = texts_by_id(daemon)
            state = daemon.call("node.status")["store"]
            daemon.call("message.send", text="goes on")
        except (OSError, RuntimeError):
            if daemon.stop() > 0:  # it refused; a signal is a reason to start it once more
                break
            continue
        daemon.stop()
        verdicts.altered += any(truth.get(each) != text for each, text in found.items())
        verdicts.messages_kept.append(len(found))
        verdicts.quarantined += bool(state["quarantined"])
        verdicts.served += not state["quarantined"]
        return
    last = daemon.log.splitlines()[-1]
    if last.startswith("chatd: ") and "; " in last and not _is_json(last):
        verdicts.refused += 1
    else:
        verdicts.silent += 1


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
