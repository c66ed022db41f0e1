"""Words of the settings as codes."""

from pathlib import Path
from typing import Any

import pytest

from chatctl.failures import BadUsage
from chatctl.repl.settings import MAX_CONFIG_BYTES, ChatSettings, load
from chatctl.style import Style
from chatctl.themes import DEFAULT, themed


@pytest.mark.parametrize(
    ("words", "code"),
    [("bold red", "1;31"), ("Bright-Cyan", "96"), ("208 underline", "38;5;208;4"), ("none", ""), ("", "")],
)
def test_words_become_codes(words: str, code: str) -> None:
    assert themed({"warning": words}, "x").warning == code
    assert themed({"warning": words}, "x").faint == DEFAULT.faint


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ({"wraning": "red"}, "unknown key 'wraning'"),
        ({"warning": 3}, "warning must be a text in quotes"),
        ({"warning": ["red"]}, "warning must be a text in quotes"),
        ({"warning": "red blue"}, "'red blue' names two colours"),
        ({"warning": "bold 3 bright-red"}, "names two colours"),
        ({"warning": "none bold"}, "none goes with nothing else"),
        ({"warning": "rde"}, "'rde' is no colour"),
        ({"warning": "256"}, "'256' is no colour"),
        ({"nicks": "red"}, "nicks is 'red'"),
    ],
)
def test_mistake_is_named_with_its_place(table: dict[str, Any], error: str) -> None:
    with pytest.raises(BadUsage, match=error) as wrong:
        themed(table, "c.toml: [chat.theme]")
    assert str(wrong.value).startswith("c.toml: [chat.theme]")
    assert wrong.value.hint


def test_number_is_told_how_it_is_written() -> None:
    with pytest.raises(BadUsage) as wrong:
        themed({"prompt": 208}, "x")
    assert wrong.value.hint == 'write prompt = "208"'


def test_theme_changes_what_is_written_and_never_without_colours() -> None:
    theme = themed({"warning": "red", "faint": "none", "nicks": "plain"}, "x")
    assert Style(8, theme).warning("w") == "\x1b[31mw\x1b[0m"
    assert Style(8, theme).dim("d") == "d"
    assert Style(8, theme).nick("ann", "k3f9") == "ann"
    assert Style(0, theme).warning("w") == "w"


def config(folder: Path, text: str) -> str:
    (folder / "config.toml").write_text(text)
    return str(folder / "config.toml")


def test_settings_come_from_the_chat_table(tmp_path: Path) -> None:
    assert load(None) == load(str(tmp_path / "none")) == ChatSettings()
    assert load(config(tmp_path, 'username = "ann"\n')) == ChatSettings()
    found = load(config(tmp_path, '[chat]\nbell = false\nplain = true\n[chat.theme]\nprompt = "red"\n'))
    assert (found.bell, found.plain, found.theme.prompt) == (False, True, "31")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("chat = 1\n", "chat must be a table"),
        ("[chat]\nbel = true\n", "unknown key 'bel'"),
        ("[chat]\nbell = 1\n", "bell must be true or false"),
        ("[chat]\ntheme = 'dark'\n", "theme must be a table"),
        ("[chat\n", "not valid TOML"),
        ("# chat" + "x" * MAX_CONFIG_BYTES, "over 262144 bytes"),
    ],
)
def test_wrong_settings_are_named_with_their_file(tmp_path: Path, text: str, error: str) -> None:
    path = config(tmp_path, text)
    with pytest.raises(BadUsage, match=error) as wrong:
        load(path)
    assert path in str(wrong.value)
