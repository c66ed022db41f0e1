"""A known name with another key."""

from chatctl.repl.memory import MAX_KEYS_A_NAME, MAX_NAMES
from chatctl.repl.namesakes import Namesakes


def test_other_key_under_a_known_name_is_told_once() -> None:
    names = Namesakes({})
    assert names.meet("a", "ann") is None
    assert names.meet("a", "ann") is None
    assert names.meet("b", "Ann") == "a"
    assert names.meet("b", "ann") is None
    assert names.meet("a", "ann") is None


def test_name_known_from_an_earlier_chat_counts() -> None:
    known = {"ann": ["a"]}
    assert Namesakes(known).meet("b", "a\u200bnn") == "a"
    assert known == {"ann": ["a", "b"]}


def test_endless_keys_of_one_name_are_told_to_a_point() -> None:
    names = Namesakes({})
    told = [names.meet(f"key{number}", "ann") for number in range(MAX_KEYS_A_NAME + 10)]
    assert told == [None] + ["key0"] * (MAX_KEYS_A_NAME - 1) + [None] * 10


def test_flood_of_names_costs_the_oldest() -> None:
    known: dict[str, list[str]] = {}
    names = Namesakes(known)
    for number in range(MAX_NAMES + 1):
        names.meet("a", f"n{number}")
    assert len(known) == MAX_NAMES
    assert "n0" not in known
