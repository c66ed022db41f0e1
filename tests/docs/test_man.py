"""The man pages: complete, free of warnings in both formatters, and showing the very text of the help."""

import re
from pathlib import Path

import click
import pytest

from chatctl.commands.root import COMMANDS, chatctl
from tests.docs import man
from tests.support.daemon import run
from tests.support.tools import tool

PAGES = dict(man.pages("2026-03-01"))


def command_of(page: str) -> click.Command:
    program, _, name = page.partition("-")
    found = man.PROGRAMS[program]
    if name:
        assert isinstance(found, click.Group)
        child = found.get_command(click.Context(found), name)
        assert child is not None
        return child
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("man")
    for name, source in PAGES.items():
        (found / f"{name}.1").write_text(source)
    return found


def test_each_program_and_command_has_a_page() -> None:
    assert set(PAGES) == {"chatd", "chatctl", "chat", *(f"chatctl-{name}" for name in COMMANDS)}


def shown(folder: Path, page: str) -> str:
    """As a person reads it, in lines long enough that none is broken."""
    done = run(
        [tool("man"), "-l", "--warnings=w", str(folder / f"{page}.1")],
        MANWIDTH="400",
        MANPAGER="cat",
        LC_ALL="C.UTF-8",
        MANROFFOPT="-c",
    )
    assert (done.returncode, done.stderr) == (0, "")
    return re.sub(".\b", "", done.stdout)


@pytest.mark.parametrize("page", PAGES)
def test_page_shows_options_and_examples_as_the_help_does(folder: Path, page: str) -> None:
    text = re.sub(r"\s+", " ", shown(folder, page))
    command = command_of(page)
    ctx = click.Context(command)
    for param in command.params:
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        for part in record or ():
            assert re.sub(r"\s+", " ", part) in text
    for line, meaning in getattr(command, "examples", ()):
        assert f"{line} {meaning}" in text


def test_pages_please_mandoc(folder: Path) -> None:
    files = [str(folder / f"{page}.1") for page in PAGES]
    done = run([tool("mandoc"), "-T", "lint", "-W", "style", *files])
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_list_of_commands_names_pages_that_exist(folder: Path) -> None:
    named = re.findall(r"(chatctl-[a-z]+)\(1\)", shown(folder, "chatctl"))
    assert set(named) == set(PAGES) - {"chatd", "chatctl", "chat"}
    assert chatctl.list_commands(click.Context(chatctl)) == list(COMMANDS)


def test_text_is_never_taken_for_roff(folder: Path) -> None:
    odd = ".SH not a heading\\fB 'tis - `x` ~ ^ wörld …"
    command = click.Command("odd", help=odd, params=[click.Option(["--o"], help="'quoted \\ and .dotted")])
    (folder / "odd.1").write_text(man.page(click.Context(command, info_name="odd"), "2026-03-01"))
    text = shown(folder, "odd")
    assert odd in text
    assert "'quoted \\ and .dotted" in text


def test_pages_are_written_where_they_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["man", str(tmp_path / "pages")])
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert man.main() == 0
    assert {path.stem for path in (tmp_path / "pages").iterdir()} == set(PAGES)
    assert '"1970-01-01"' in (tmp_path / "pages/chat.1").read_text()
