"""How both clients take their command line: examples first in the help, shared options anywhere.

Builds on click; the streams are the invocation's, so that a run can be tested in-process.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from chatctl import candidates
from chatctl.failures import BadUsage
from chatctl.invocation import Invocation
from chatctl.limits import DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S, MIN_TIMEOUT_S


def invocation_of(ctx: click.Context) -> Invocation:
    found = ctx.find_object(Invocation)
    assert found is not None, "program.run puts one into every context"
    return found


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            setattr(invocation_of(ctx), name, value)

    return callback


def _drop_colour(ctx: click.Context, _: click.Parameter, value: Any) -> None:
    if value:
        invocation_of(ctx).colour = False


def _show_help(ctx: click.Context, _: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        invocation_of(ctx).out(ctx.get_help())
        ctx.exit()


def path(value: str) -> str:
    """For click: a script's unset variable must not stand for some other place."""
    if not value:
        raise click.BadParameter("it is empty; name a file or a folder")
    return value


def complete_variable(program: str) -> str:
    """In which a completion script asks; click's name for it, since chatd leaves that to click."""
    return f"_{program.upper()}_COMPLETE"


def place_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--home"],
            metavar="DIR",
            expose_value=False,
            type=path,
            callback=_remember("home"),
            shell_complete=candidates.folders,
            help="The daemon's folder.  [env: CHATD_HOME]",
        ),
        click.Option(
            ["--socket"],
            metavar="PATH",
            expose_value=False,
            type=path,
            callback=_remember("socket"),
            shell_complete=candidates.files,
            help="The daemon's socket.  [env: CHATD_SOCKET]",
        ),
        click.Option(
            ["--no-color", "--no-colour"],
            is_flag=True,
            expose_value=False,
            callback=_drop_colour,
            help="No colours.  [env: NO_COLOR]",
        ),
    ]


def answer_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--json"],
            is_flag=True,
            is_eager=True,  # what answers at once, as --version, is to know it
            expose_value=False,
            callback=_remember("as_json"),
            help="Print JSON, errors too: one document, or one a line for streams.",
        ),
        click.Option(
            ["--timeout"],
            type=timeout,
            metavar="SECONDS",
            expose_value=False,
            callback=_remember("timeout_s"),
            help="How long to wait for the daemon; "
            f"at most {MAX_TIMEOUT_S:g}.  [default: {DEFAULT_TIMEOUT_S:g}]",
        ),
    ]


def help_option() -> click.Option:
    return click.Option(
        ["--help", "-h"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_help,
        help="Show this text.",
    )


class _ExamplesFirst(click.Command):
    """Its help shows how to use it before it explains; each example is a command line and what it does."""

    examples: Sequence[tuple[str, str]] = ()

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                formatter.write_dl(self.examples, col_max=44)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)


class Command(_ExamplesFirst):
    def __init__(self, name: str | None, examples: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(name, **{**kwargs, "add_help_option": False})
        self.examples = examples
        self.params += self.shared_options()

    def shared_options(self) -> list[click.Parameter]:
        return [*answer_options(), *place_options(), help_option()]


class Group(_ExamplesFirst, click.Group):
    """Loads a command when it is needed: `NAME_command` of the module that `table` gives for NAME."""

    def __init__(
        self,
        name: str | None,
        table: Mapping[str, str],
        examples: Sequence[tuple[str, str]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **{**kwargs, "add_help_option": False, "no_args_is_help": False})
        self.examples = examples
        self.params += [*answer_options(), *place_options(), help_option()]
        self._table = table

    def list_commands(self, _: click.Context) -> list[str]:
        return list(self._table)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        module = self._table.get(cmd_name)
        if module is None:
            return None
        command = getattr(import_module(module), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self._table and not args[0].startswith("-"):
            hint = suggestion(args[0], self._table, f"see {ctx.command_path} --help")
            raise BadUsage(f"there is no command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)


def suggestion(word: str, known: Any, otherwise: str) -> str:
    """`did you mean NEAREST?`, or the other hint when nothing is near."""
    import difflib  # noqa: PLC0415 - only a mistake needs it

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else otherwise


def utf8(value: str) -> str:
    """A click type for what goes out over the API: valid Unicode, where argv may hold any bytes."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadUsage(
            "an argument is not valid UTF-8", "use a UTF-8 terminal, or send it from a file"
        ) from error
    return value


def seconds(value: str) -> float:
    """A click type for a time to wait."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= MAX_TIMEOUT_S:  # nan is not, either
        raise BadUsage(f"{value!r} is not a number of seconds", f"use 0 to {MAX_TIMEOUT_S:g}")
    return max(number, MIN_TIMEOUT_S)


def timeout(value: str) -> float:
    """A click type for how long the daemon may take."""
    hint = f"use {MIN_TIMEOUT_S:g} to {MAX_TIMEOUT_S:g}"
    try:
        number = seconds(value)
    except BadUsage as error:
        raise BadUsage(str(error), hint) from error
    if float(value) == 0:
        raise BadUsage("--timeout 0 leaves the daemon no time to answer", hint)
    return number
