"""Logs: one JSON document a line for machines, readable and harmless lines for people, and few of them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from chatd import logs
from chatd.logs import Limiter


@pytest.fixture(autouse=True)
def _fresh_structlog() -> Iterator[None]:
    handlers = list(logging.root.handlers)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logger(level: str, log_format: str, stream: io.StringIO) -> Any:
    structlog.reset_defaults()
    logs.configure(level, log_format, stream)
    return structlog.get_logger()


def test_json_log_is_one_document_a_line() -> None:
    stream = io.StringIO()
    log = logger("info", "json", stream)
    log.info("peer_up", username="ann\nbob", address="192.0.2.1:1")
    log.warning("second")
    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (first["event"], first["level"], first["username"]) == ("peer_up", "info", "ann\nbob")
    assert first["timestamp"].endswith("Z")
    assert second["event"] == "second"


def test_json_log_keeps_a_traceback_within_its_line() -> None:
    stream = io.StringIO()
    log = logger("info", "json", stream)
    try:
        int("boom")
    except ValueError:
        log.exception("rpc_failed")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_log_of_a_failure_shows_no_values(log_format: str) -> None:
    stream = io.StringIO()
    log = logger("info", log_format, stream)

    def fail(secret: str) -> None:
        raise ValueError("boom")

    try:
        fail("a message" + "'s text")
    except ValueError:
        log.exception("rpc_failed")
    assert "a message's text" not in stream.getvalue()


def test_log_format_follows_the_terminal_unless_told() -> None:
    assert logs.configure("info", "auto", Terminal())
    assert not logs.configure("info", "auto", io.StringIO())
    assert logs.configure("info", "console", io.StringIO())
    assert not logs.configure("info", "json", Terminal())


def test_log_leaves_out_what_is_below_its_level() -> None:
    stream = io.StringIO()
    log = logger("warning", "json", stream)
    log.info("quiet")
    log.warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


@pytest.mark.parametrize(
    "text",
    ["\x1b[2J", "\x1b]0;owned\x07", "a\u202eb", "a\u200bb", "a\rb", "a b\x1b[31m", "\x9b31m", "\ud800"],
)
def test_people_log_shows_no_control_character_that_a_peer_chose(text: str) -> None:
    stream = io.StringIO()
    logger("info", "console", stream).info("peer_up", username=text, why=text)
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert "peer_up" in line


def test_people_log_shows_other_scripts_as_they_are() -> None:
    stream = io.StringIO()
    logger("info", "console", stream).info("peer_up", username="Zoë 東京")
    assert "Zoë 東京" in stream.getvalue()


def test_limiter_lets_one_line_of_a_kind_through_and_counts_the_rest() -> None:
    limiter = Limiter(first_s=1.0, longest_s=8.0)
    assert limiter.admit("a", 10.0) == 0
    assert [limiter.admit("a", 10.0 + step / 10) for step in range(1, 10)] == [None] * 9
    assert limiter.admit("b", 10.5) == 0
    assert limiter.admit("a", 11.0) == 9


def test_limiter_says_less_and_less_of_what_goes_on_and_begins_anew_after_it() -> None:
    limiter = Limiter(first_s=1.0, longest_s=8.0)
    told = [at for at in range(40) if limiter.admit("a", float(at)) is not None]
    assert told == [0, 1, 3, 7, 15, 23, 31, 39]
    assert limiter.admit("a", 39.0 + 16.0) == 0
    assert limiter.admit("a", 39.0 + 17.0) == 0


def test_limiter_admits_the_first_line_right_after_boot() -> None:
    assert Limiter().admit("a", 0.0) == 0
