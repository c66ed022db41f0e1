"""`export` and `import`: out of one node, into another, and whatever else a file may hold."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatctl.commands import archive
from chatctl.progress import Progress, of_messages
from tests.client.console import Console, Screen
from tests.support.daemon import Daemon

TEXTS = ["plain", "Straße \x1b[31m\u202e", "日本語 🎉", "two\nlines", "x" * 16_000]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("archive") / "node") as running:
        for room in ("tea", "left"):
            running.call("room.join", room=room)
        for text in TEXTS:
            for room in ("lobby", "tea", "left"):
                running.call("message.send", room=room, text=text)
        running.call("room.leave", room="left")
        yield running


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("archive") / "other", username="bob") as running:
        yield running


@pytest.fixture
def exported(console: Console, tmp_path: Path) -> Path:
    path = tmp_path / "chat.ndjson"
    assert console.chatctl("export", "-o", str(path)) == 0
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_export_holds_every_room_left_ones_too(console: Console, exported: Path) -> None:
    assert console.error == "chatctl: 15 messages exported"
    assert console.out == ""
    found = lines(exported)
    assert [(item["room"], item["text"]) for item in found] == [
        (room, text) for room in ("left", "lobby", "tea") for text in TEXTS
    ]
    assert found[0].keys() == {
        *("id", "room", "author", "username", "text", "time_ms", "time", "payload", "signature")
    }
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    assert list(exported.parent.iterdir()) == [exported]


def test_export_to_a_file_is_told_as_json(console: Console, tmp_path: Path) -> None:
    path = str(tmp_path / "chat.ndjson")
    assert console.chatctl("export", "-o", path, "--json") == 0
    assert json.loads(console.out) == {"path": path, "messages": 15}
    assert console.err == ""


def test_export_goes_to_standard_output_a_page_at_a_time(
    console: Console, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "EXPORT_PAGE", 2)
    assert console.chatctl("export", "--room", "#Tea") == 0
    assert [json.loads(line)["text"] for line in console.out.splitlines()] == TEXTS
    assert console.chatctl("export") == 0
    assert console.out == exported.read_text()
    assert console.chatctl("export", "-o", "-") == 0
    assert console.out == exported.read_text()


def test_export_to_a_device_is_left_to_the_shell(console: Console) -> None:
    assert console.chatctl("export", "-o", "/dev/full") == 3
    assert console.error == (
        "chatctl: /dev/full is no file; leave out --output, and let the shell direct it: > /dev/full"
    )


def test_export_does_not_write_over_a_file(console: Console, exported: Path) -> None:
    before = exported.read_bytes()
    assert console.chatctl("export", "-o", str(exported)) == 3
    assert "is there already" in console.error
    assert exported.read_bytes() == before
    assert console.chatctl("export", "-o", str(exported.parent / "no" / "where")) == 3
    assert console.error.startswith("chatctl: cannot write")


def test_export_that_fails_leaves_nothing(console: Console, tmp_path: Path) -> None:
    assert console.chatctl("export", "--room", "nowhere", "-o", str(tmp_path / "x")) == 1
    assert list(tmp_path.iterdir()) == []


def test_import_stores_each_message_once(console: Console, other: Daemon, exported: Path) -> None:
    there = Console(other.home)
    assert there.chatctl("import", str(exported)) == 0
    assert there.error == "chatctl: 15 stored, 0 were here already, 0 refused"
    there.stdin = exported.read_bytes()
    assert there.chatctl("import", "-", "--json") == 0
    assert json.loads(there.out) == {"stored": 0, "duplicates": 15, "refused": 0, "problems": []}
    for room in ("lobby", "tea", "left"):
        console.chatctl("export", "--room", room)
        there.chatctl("export", "--room", room)
        assert there.out == console.out


def test_import_says_which_lines_are_bad_and_stores_the_others(other: Daemon, exported: Path) -> None:
    good = exported.read_text().splitlines()
    forged = json.dumps({**json.loads(good[0]), "payload": json.loads(good[1])["payload"]})
    no_numbers = ['{"payload": NaN}', '{"x": -Infinity}', '{"room": "tea", "payload": 1e999}']
    bad = ["nonsense", "[]", "", forged, '{"room": 5}', '{"x": ' + "[" * 5000, "\x00", "é", *no_numbers]
    there = Console(other.home, stdin="\n".join([good[0], *bad, good[1]]).encode())
    assert there.chatctl("import", "-") == 1
    assert there.err.splitlines() == [
        "chatctl: -:2: it is not JSON",
        "chatctl: -:3: it is not a JSON object",
        "chatctl: -:5: its signature does not fit its author and text",
        "chatctl: -:6: it has no room",
        "chatctl: -:7: it is not JSON",
        "chatctl: -:8: it is not JSON",
        "chatctl: -:9: it is not JSON",
        "chatctl: -:10: it is not JSON",
        "chatctl: -:11: it is not JSON",
        "chatctl: -:12: it has no payload",
        there.err.splitlines()[-1],
    ]
    assert there.err.endswith(" 10 refused\n")
    assert "Traceback" not in there.err


def test_import_refuses_lines_that_show_what_was_not_signed(other: Daemon, exported: Path) -> None:
    good = json.loads(exported.read_text().splitlines()[0])
    shown = {
        "id": "0" * 64,
        "author": good["id"],
        "username": "eve",
        "text": "no",
        "time_ms": 0.5,
        "time": "",
    }
    changed = [json.dumps({**good, name: value}) for name, value in shown.items()]
    there = Console(other.home, stdin="\n".join([*changed, json.dumps(good)]).encode())
    assert there.chatctl("import", "-", "--json") == 1
    told = json.loads(there.out)
    assert told["stored"] + told["duplicates"] == 1
    assert [problem["reason"].split(";")[0] for problem in told["problems"]] == [
        f"its {name} is not what its author signed" for name in shown
    ]


def test_import_of_letters_that_are_longer_when_sent_fits_into_calls(other: Daemon) -> None:
    """200 KB of them are 600 KB as they are sent; two lines of them would not go into one call."""
    line = json.dumps({"room": "lobby", "text": "é" * 100_000}, ensure_ascii=False)
    there = Console(other.home, stdin="\n".join([line] * 3).encode())
    assert there.chatctl("import", "-") == 1
    assert there.err.splitlines()[:3] == [f"chatctl: -:{number}: it has no payload" for number in (1, 2, 3)]


def test_import_of_a_line_without_an_end_keeps_its_memory(
    other: Daemon, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_LINE_BYTES", 60_000)
    good = exported.read_bytes().splitlines(keepends=True)
    there = Console(other.home, stdin=good[0] + b"x" * 1_000_000 + b"\n" + good[1] + b"y" * 200_000)
    assert there.chatctl("import", "-", "--json") == 1
    answer = json.loads(there.out)
    assert answer["stored"] + answer["duplicates"] == 2
    assert [problem["line"] for problem in answer["problems"]] == [2, 4]


def test_import_shows_some_of_many_bad_lines(other: Daemon) -> None:
    there = Console(other.home, stdin=b"{}\n" * 700)
    assert there.chatctl("import", "-") == 1
    assert "and 680 more lines like these" in there.err
    assert there.err.count("it has no room") == archive.MAX_PROBLEMS_SHOWN


def test_import_of_bytes_that_are_not_text(other: Daemon) -> None:
    there = Console(other.home, stdin=os.urandom(5000) + b"\n\xff\xfe{}\n")
    assert there.chatctl("import", "-") == 1
    assert "Traceback" not in there.err


def test_import_of_nothing_is_no_error(other: Daemon) -> None:
    there = Console(other.home, stdin=b"")
    assert there.chatctl("import", "-") == 0
    assert there.chatctl("import", "/no/such/file") == 3
    assert there.error.startswith("chatctl: cannot read /no/such/file: No such file")
    assert there.chatctl("import") == 3


def test_archive_needs_a_daemon(nobody: Console, tmp_path: Path) -> None:
    assert nobody.chatctl("export", "-o", str(tmp_path / "x")) == 2
    nobody.stdin = b"{}\n"
    assert nobody.chatctl("import", "-") == 2


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, pipe = Screen(), Console().environment().stderr
    for stream in (screen, pipe):
        progress = Progress(stream, "exported")
        progress.show(0.5, of_messages(12_345))
        progress.show(0.6, of_messages(12_346))  # too soon after
        progress.end()
    assert screen.getvalue() == f"\r\x1b[Kexported [{'#' * 10}{' ' * 10}]  50% 12,345 messages\r\x1b[K"
    assert pipe.getvalue() == ""  # type: ignore[attr-defined]  # a StringIO
