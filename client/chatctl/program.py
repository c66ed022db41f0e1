"""The edge of a client's process: whatever happens inside becomes one line of error and an exit status."""

import contextlib
from collections.abc import Sequence
from itertools import takewhile

import click

from chatctl.env import Environment, abandon
from chatctl.failures import BadUsage, ClientFailure, ExitStatus, OutputFailed, RpcRefused, exit_status
from chatctl.invocation import Invocation
from chatctl.options import complete_variable
from chatctl.safetext import clean_line

TRACEBACK_VARIABLE = "CHATD_TRACEBACK"


def run(program: str, command: click.Command, argv: Sequence[str], env: Environment) -> ExitStatus:
    told = Invocation(program, env)
    try:
        try:
            return _invoke(program, command, argv, told)
        except ExceptionGroup as group:  # out of tasks that ran together
            raise _first(group) from group
    except BrokenPipeError:
        abandon(env.stdout)
        return ExitStatus.OK  # the reader has what it wanted
    except ClientFailure as failure:
        # What is wrong may stand before it.
        told.as_json = told.as_json or "--json" in takewhile(lambda word: word != "--", argv)
        return _fail(told, failure)
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except Exception as error:
        if env.variables.get(TRACEBACK_VARIABLE):
            raise
        why = f"a bug in {program}: {type(error).__name__}: {error}"
        return _fail(told, ClientFailure(why, f"{TRACEBACK_VARIABLE}=1 shows where; please report it"))


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _invoke(program: str, command: click.Command, argv: Sequence[str], told: Invocation) -> ExitStatus:
    """Not `command.main`: that one writes to the process's own streams and has its own exit codes."""
    if asked := told.env.variables.get(complete_variable(program)):
        from chatctl.commands.completion import answer_shell  # noqa: PLC0415 - a shell asks, no person

        answer_shell(told, command, asked)
        told.flush()
        return ExitStatus.OK
    try:
        with command.make_context(program, list(argv), obj=told) as ctx:
            result = command.invoke(ctx)
    except click.exceptions.Exit as stop:
        result = ExitStatus(stop.exit_code)
    except click.UsageError as error:
        raise _usage(program, error) from error
    told.flush()
    return result if isinstance(result, ExitStatus) else ExitStatus.OK


def _usage(program: str, error: click.UsageError) -> BadUsage:
    path = error.ctx.command_path if error.ctx is not None else program
    hint = f"see {path} --help"
    message = error.format_message()
    if isinstance(error, click.NoSuchOption):
        message = f"there is no option {error.option_name}"
        hint = f"did you mean {error.possibilities[0]}?" if error.possibilities else hint
    message = message.rstrip(".")
    return BadUsage(message[:1].lower() + message[1:], hint)


def _fail(told: Invocation, failure: ClientFailure) -> ExitStatus:
    env = told.env
    if isinstance(failure, OutputFailed):
        abandon(env.stdout)
    with contextlib.suppress(OSError):  # what was answered before comes first
        env.stdout.flush()
    if told.as_json:
        told.talk(told.to_json(_document(failure)))
    else:
        told.say(f"{failure}; {failure.hint}" if failure.hint else str(failure))
    return exit_status(failure)


def _document(failure: ClientFailure) -> dict[str, dict[str, str | int | None]]:
    """`kind` is the daemon's for what it refused, else the name of the exit status; both are stable."""
    status = exit_status(failure)
    refused = failure if isinstance(failure, RpcRefused) else None
    return {
        "error": {
            "message": clean_line(str(failure)),
            "hint": clean_line(failure.hint) or None,
            "kind": failure.kind or status.name.lower(),
            "code": (refused and refused.code) or None,
            "exit_status": status.value,
        }
    }
