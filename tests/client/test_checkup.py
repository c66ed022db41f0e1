"""What the doctor found, as text: for pipes, wide and narrow terminals, with and without colour."""

from chatcore.api import Check, Diagnosis
from chatctl.checkup import diagnosis, is_broken
from chatctl.style import Style

FOUND: Diagnosis = {
    "state": "broken",
    "checks": [
        {"name": "peers", "state": "ok", "finding": "linked with 3 peers", "cause": None, "fix": None},
        {
            "name": "clock",
            "state": "broken",
            "finding": "peers refuse what is said here",
            "cause": "this machine's clock is about 1 h ahead of 3 of 3 peers",
            "fix": "set the clock: timedatectl set-ntp true",
        },
    ],
}


def one(finding: str, **fields: str) -> Diagnosis:
    check: Check = {"name": "x", "state": "ok", "finding": finding, "cause": None, "fix": None}
    return {"state": "ok", "checks": [{**check, **fields}]}  # type: ignore[typeddict-item]  # its own keys


def test_checks_are_lines_with_cause_and_fix_below() -> None:
    assert diagnosis(FOUND) == [
        "ok       peers  linked with 3 peers",
        "broken   clock  peers refuse what is said here",
        "                cause: this machine's clock is about 1 h ahead of 3 of 3 peers",
        "                fix: set the clock: timedatectl set-ntp true",
    ]


def test_long_lines_are_wrapped_for_a_terminal() -> None:
    lines = diagnosis(FOUND, columns=50)
    assert lines[2:5] == [
        "                cause: this machine's clock is",
        "                  about 1 h ahead of 3 of 3 peers",
        "                fix: set the clock: timedatectl",
    ]
    assert all(len(line) <= 50 for line in lines)


def test_narrow_terminal_gets_the_text_below_the_name() -> None:
    lines = diagnosis(FOUND, columns=30)
    assert lines[:4] == [
        "ok       peers",
        "  linked with 3 peers",
        "broken   clock",
        "  peers refuse what is said",
    ]
    assert all(len(line) <= 30 for line in lines)


def test_path_too_long_for_the_terminal_stays_in_one_piece() -> None:
    path = "/a/very-long/path" * 5
    assert any(path in line for line in diagnosis(one(f"nothing fits {path}"), columns=40))


def test_colour_only_repeats_what_is_written() -> None:
    plain, coloured = diagnosis(FOUND), diagnosis(FOUND, Style(8))
    assert coloured[1] == plain[1].replace("broken ", "\x1b[33mbroken \x1b[0m", 1)
    assert coloured[0].startswith("\x1b[2mok     \x1b[0m")


def test_what_came_over_the_network_moves_no_cursor() -> None:
    lines = diagnosis(one("a\x1b[2Jb\nc", cause="d\u202ee"))
    assert len(lines) == 2
    assert not any(char in "".join(lines) for char in "\x1b\n\u202e")


def test_empty_finding_is_a_line_all_the_same() -> None:
    assert diagnosis(one(""), columns=60) == diagnosis(one(""))


def test_broken_is_what_says_so() -> None:
    assert is_broken(FOUND)
    others: list[object] = [one("x"), {}, [], None, "broken"]
    assert not any(map(is_broken, others))
