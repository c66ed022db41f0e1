"""Completion by click, with what it lacks: a value behind `--option=`, and in bash a word beginning with `#`.

Only what a shell asks for needs it.
"""

import os

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
)


class _Bash(BashComplete):
    """bash splits a line at `=`, and puts an answer on it as it is: there a `#` would begin a comment."""

    _escapes = True

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        self._escapes = not any(quote + incomplete in os.environ["COMP_WORDS"] for quote in "'\"")
        before = ["", *args]
        kept = [arg for at, arg in enumerate(args) if arg != "=" or not before[at].startswith("--")]
        return kept, incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        escaped = self._escapes and item.value.startswith("#")
        # Two: click's script reads a line without `-r`.
        return super().format_completion(_with_value(item, f"\\\\{item.value}") if escaped else item)


class _Whole(ShellComplete):
    """zsh and fish complete a word with the option in it."""

    _option = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        option, equals, _ = incomplete.partition("=")
        self._option = option + equals if equals and option.startswith("--") else ""
        return args, incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        return super().format_completion(_with_value(item, self._option + item.value))


class _Zsh(_Whole, ZshComplete):
    pass


class _Fish(_Whole, FishComplete):
    pass


ADAPTERS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def _with_value(item: CompletionItem[str], value: str) -> CompletionItem[str]:
    return CompletionItem(value, item.type, item.help) if item.type == "plain" else item
