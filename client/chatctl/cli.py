"""`chatctl`: one command, one answer. Only the entry point; the commands are in `commands/`, by subject."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatctl.loading import hasten

if TYPE_CHECKING:
    from chatctl.env import Environment

PROGRAM = "chatctl"


def main(argv: Sequence[str] | None = None, env: "Environment | None" = None) -> int:
    """Runs one command line; the exit status is one of `failures.ExitStatus`."""
    hasten()
    try:
        from chatctl.commands.root import chatctl  # noqa: PLC0415 - Ctrl-C while it loads is quiet
        from chatctl.env import Environment  # noqa: PLC0415 - Ctrl-C while it loads is quiet
        from chatctl.program import run  # noqa: PLC0415 - Ctrl-C while it loads is quiet

        arguments = sys.argv[1:] if argv is None else argv
        return int(run(PROGRAM, chatctl, arguments, env or Environment.of_process()))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
