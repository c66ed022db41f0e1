"""What outlives a chat."""

import json
import stat
from pathlib import Path

import pytest

from chatctl.repl.memory import MAX_FILE_BYTES, MAX_IDENTITIES, MAX_NAMES, MAX_ROOMS, Memory

ME = "k3f9"
SEQ = 9
"""The last message there is."""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "folder" / "chat.json")


def test_memory_comes_back_and_is_its_owners_alone(path: str) -> None:
    Memory({"tea": 7}, {"ann": ["a", "b"]}).save(path, ME)
    assert Memory.load(path, ME, SEQ) == Memory({"tea": 7}, {"ann": ["a", "b"]})
    assert Memory.load(path, "other", SEQ) == Memory()
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert [item.name for item in Path(path).parent.iterdir()] == ["chat.json"]


def test_what_another_chat_wrote_meanwhile_stays(path: str) -> None:
    Memory({"tea": 9, "rust": 1}, {"ann": ["a"]}).save(path, ME)
    Memory({"x": 1}).save(path, "other")
    Memory({"tea": 7, "go": 2}, {"ann": ["b"], "bob": ["c"]}).save(path, ME)
    found = Memory.load(path, ME, SEQ)
    assert found.read == {"rust": 1, "tea": 9, "go": 2}
    assert found.names == {"ann": ["b", "a"], "bob": ["c"]}
    assert Memory.load(path, "other", SEQ).read == {"x": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"k3f9": 1}',
        '{"k3f9": {"read": [], "names": 1}}',
        '{"k3f9": {"read": {"a": -1, "b": "x", "c": true}, "names": {"ann": "x"}}}',
        " " * (MAX_FILE_BYTES + 1),
    ],
)
def test_file_of_anything_else_is_no_memory_and_is_replaced(path: str, text: str) -> None:
    Path(path).parent.mkdir()
    Path(path).write_text(text)
    assert Memory.load(path, ME, SEQ) == Memory()
    Memory({"tea": 1}).save(path, ME)
    assert Memory.load(path, ME, SEQ).read == {"tea": 1}


def test_mark_of_another_store_says_nothing_and_does_not_come_back(path: str) -> None:
    Memory({"tea": 9, "rust": 3}).save(path, ME)
    memory = Memory.load(path, ME, 5)  # restored from a backup
    assert memory.read == {"rust": 3}
    memory.read["lobby"] = 5
    memory.save(path, ME)
    assert Memory.load(path, ME, SEQ).read == {"rust": 3, "lobby": 5}


def test_mark_of_another_store_that_answers_meanwhile_does_not_come_back(path: str) -> None:
    memory = Memory({"tea": 9, "rust": 3})
    memory.save(path, ME)
    memory.start_over(4)
    memory.read["lobby"] = 4
    memory.save(path, ME)
    assert Memory.load(path, ME, SEQ).read == {"rust": 3, "lobby": 4}


def test_mark_of_a_chat_that_is_further_stays(path: str) -> None:
    behind = Memory.load(path, ME, 5)
    behind.read["lobby"] = 5
    ahead = Memory.load(path, ME, SEQ)
    ahead.read["tea"] = SEQ
    ahead.save(path, ME)
    behind.save(path, ME)
    assert Memory.load(path, ME, SEQ).read == {"tea": SEQ, "lobby": 5}


def test_file_is_left_alone_while_nothing_changes(path: str) -> None:
    memory = Memory({"tea": 1})
    memory.save(path, ME)
    Path(path).unlink()
    memory.save(path, ME)
    assert not Path(path).exists()
    memory.read["tea"] = 2
    memory.save(path, ME)
    assert Memory.load(path, ME, SEQ).read == {"tea": 2}


def test_half_a_character_in_a_name_is_no_error(path: str) -> None:
    Path(path).parent.mkdir()
    Path(path).write_text('{"k3f9": {"read": {"\\ud800": 1}, "names": {"\\ud800": ["a"]}}}')
    memory = Memory.load(path, ME, SEQ)
    memory.read["tea"] = 2
    memory.save(path, ME)
    assert Memory.load(path, ME, SEQ).read == {"\ud800": 1, "tea": 2}


def test_memory_is_capped_and_keeps_what_was_used_last(path: str) -> None:
    rooms = {f"r{number}": number for number in range(MAX_ROOMS + 5)}
    names = {f"n{number}": ["a"] for number in range(MAX_NAMES + 5)}
    Memory(rooms, names).save(path, ME)
    found = Memory.load(path, ME, MAX_ROOMS + 5)
    assert len(found.read) == MAX_ROOMS
    assert len(found.names) == MAX_NAMES
    assert "r4" not in found.read
    assert "r5" in found.read
    for number in range(MAX_IDENTITIES + 3):
        Memory({"tea": 1}).save(path, f"id{number}")
    assert len(json.loads(Path(path).read_text())) == MAX_IDENTITIES


def test_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Memory({"tea": 1}).save(str(tmp_path / "file" / "chat.json"), ME)
    Memory({"tea": 1}).save(None, ME)
    assert Memory.load(None, ME, SEQ) == Memory()
