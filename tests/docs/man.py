"""Man pages of chatd, chatctl with each of its commands, and chat, from the help they print: `make man`.

Our own because click-man knows neither examples nor commands that are loaded late, and escapes no backslash.
Roff as in groff_man(7); everything that is text goes through `_text`.
"""

import inspect
import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from chatcore import __version__
from chatctl.commands.root import chatctl
from chatctl.failures import ExitStatus
from chatctl.repl.root import chat
from chatd.main import command as chatd

FOLDER = Path("build/man")
PROGRAMS: Mapping[str, click.Command] = {"chatd": chatd, "chatctl": chatctl, "chat": chat}

EXIT_STATUS = {
    ExitStatus.OK: "done",
    ExitStatus.REFUSED: "the daemon refused; of doctor: something is broken",
    ExitStatus.UNREACHABLE: "no daemon answers",
    ExitStatus.USAGE: "wrong usage",
    ExitStatus.UNDELIVERED: "send --wait: not delivered in time; it is kept and goes out",
    ExitStatus.TIMED_OUT: "it took too long",
}
DAEMON_EXIT_STATUS = {
    ExitStatus.OK: "stopped, or with --check: a daemon could start",
    ExitStatus.REFUSED: "it cannot run",
    ExitStatus.USAGE: "wrong flags or settings",
}

_SOURCE_CELLS = 60
"""Of 80, which leaves room for escapes."""

_NO_REWRAPPING = "\b"
"""On a line of its own it begins a paragraph that click leaves as it is."""


def pages(date: str) -> Iterator[tuple[str, str]]:
    """Name and roff source of each. `date` is when they were made, as 2026-03-01."""
    for program, command in PROGRAMS.items():
        ctx = click.Context(command, info_name=program)
        yield program, page(ctx, date)
        if isinstance(command, click.Group):
            for name in command.list_commands(ctx):
                child = command.get_command(ctx, name)
                assert child is not None
                yield f"{program}-{name}", page(click.Context(child, ctx, name), date)


def page(ctx: click.Context, date: str) -> str:
    name = ctx.command_path.replace(" ", "-")
    summary, _, rest = inspect.cleandoc(ctx.command.help or "").partition("\n\n")
    first, dot, more = summary.replace("\n", " ").partition(". ")
    lines = [
        f'.TH {_quoted(name.upper())} 1 "{date}" {_quoted(f"chatd {__version__}")} "chatd manual"',
        *(".SH NAME", f"{_text(name)} \\-", _prose(_lower(first.rstrip(".")))),
        *(".SH SYNOPSIS", f".B {_text(ctx.command_path)}", _text(" ".join(_usage(ctx)))),
        *(".SH DESCRIPTION", _prose(first + dot.strip())),
        *([_prose(more)] if more else []),
        *(line for paragraph in rest.split("\n\n") if rest for line in _paragraph(paragraph)),
        *_commands(ctx),
        *_options(ctx),
        *_examples(ctx),
        *_exit_status(ctx),
        *_see_also(name, ctx),
    ]
    return "\n".join(lines) + "\n"


def _usage(ctx: click.Context) -> list[str]:
    return ctx.command.collect_usage_pieces(ctx)


def _paragraph(text: str) -> Iterator[str]:
    if text.startswith(_NO_REWRAPPING):
        yield from (".PP", ".nf", ".RS 4")
        yield from (_text(line) for line in inspect.cleandoc(text.removeprefix(_NO_REWRAPPING)).split("\n"))
        yield from (".RE", ".fi")
    else:
        yield from (".PP", _prose(text))


def _commands(ctx: click.Context) -> Iterator[str]:
    if not isinstance(ctx.command, click.Group):
        return
    yield ".SH COMMANDS"
    for name in ctx.command.list_commands(ctx):
        command = ctx.command.get_command(ctx, name)
        assert command is not None
        yield from (".TP", f".BR {_text(f'{ctx.command_path}-{name}')} (1)")
        yield _prose(command.get_short_help_str(limit=200))


def _options(ctx: click.Context) -> Iterator[str]:
    yield ".SH OPTIONS"
    for param in ctx.command.params:
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if record is not None:
            option, meaning = record
            yield from (".TP", f"\\fB{_text(option)}\\fR", _prose(meaning))


def _examples(ctx: click.Context) -> Iterator[str]:
    examples = getattr(ctx.command, "examples", ())
    if examples:
        yield ".SH EXAMPLES"
    for line, meaning in examples:
        yield from (".TP", f"\\fB{_text(line)}\\fR", _prose(meaning))


def _exit_status(ctx: click.Context) -> Iterator[str]:
    yield ".SH EXIT STATUS"
    table = DAEMON_EXIT_STATUS if ctx.find_root().info_name == "chatd" else EXIT_STATUS
    for status, meaning in table.items():
        yield from (".TP", f".B {status.value}", _prose(meaning))


def _see_also(name: str, ctx: click.Context) -> Iterator[str]:
    others = [program for program in PROGRAMS if program != name]
    yield ".SH SEE ALSO"
    yield from (f".BR {other} (1){',' if other != others[-1] else ''}" for other in others)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _prose(text: str) -> str:
    """Wrapped, as mandoc likes its sources."""
    return "\n".join(_text(line) for line in textwrap.wrap(text, _SOURCE_CELLS, break_on_hyphens=False))


def _text(text: str) -> str:
    """Text as roff that shows exactly it: nothing of it is a request, a macro or an escape."""
    escaped = text.strip("\n").replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    escaped = escaped.replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    escaped = re.sub(r"[^\x00-\x7f]", lambda char: f"\\[u{ord(char[0]):04X}]", escaped)
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    made_at = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    count = 0
    for name, source in pages(time.strftime("%Y-%m-%d", made_at)):
        (folder / f"{name}.1").write_text(source)
        count += 1
    print(f"{count} pages in {folder}; read one: man -l {folder}/chatctl.1")
    return 0


if __name__ == "__main__":
    sys.exit(main())
