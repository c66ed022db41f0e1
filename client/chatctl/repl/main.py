"""`chat`: the entry point. In a terminal it is interactive, in a pipe it sends each line."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatctl.loading import hasten

if TYPE_CHECKING:
    from chatctl.env import Environment

PROGRAM = "chat"


def main(argv: Sequence[str] | None = None, env: "Environment | None" = None) -> int:
    """Runs one chat; the exit status is one of `failures.ExitStatus`."""
    hasten()
    try:
        from chatctl.env import Environment  # noqa: PLC0415 - Ctrl-C while it loads is quiet
        from chatctl.program import run  # noqa: PLC0415 - Ctrl-C while it loads is quiet
        from chatctl.repl.root import chat  # noqa: PLC0415 - Ctrl-C while it loads is quiet

        arguments = sys.argv[1:] if argv is None else argv
        return int(run(PROGRAM, chat, arguments, env or Environment.of_process()))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
