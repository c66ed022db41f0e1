"""A message's text as lines for a terminal: cleaned, folded, with our own name marked. Pure.

A text that begins with `/me ` is an action (XEP-0245): `* ann waves`.
"""

from chatctl.safetext import clean_text
from chatctl.style import Style

ACTION = "/me "
MAX_LINES_SHOWN = 50
"""Of one message: about a screen, so that nobody scrolls away what others said."""

INDENT = "    "


def action_of(text: str) -> str | None:
    """What somebody does, None when they say something."""
    done = text[len(ACTION) :] if text.startswith(ACTION) else ""
    return done if done.strip() else None


def body(text: str, style: Style, me: str = "") -> str:
    """Its further lines are indented, so that none of them looks like a message of its own."""
    lines = clean_text(text).split("\n")
    # One blank line for several.
    folded = [
        line for before, line in zip(["-", *lines], lines, strict=False) if before.strip() or line.strip()
    ]
    shown = [_marked(line, style, me) for line in folded[:MAX_LINES_SHOWN]]
    more = len(folded) - MAX_LINES_SHOWN
    if more > 0:
        rest = f"... {more} more line{'s' if more > 1 else ''}; chatctl history --json shows all"
        shown.append(style.dim(rest))
    return ("\n" + INDENT).join(shown)


def _marked(line: str, style: Style, me: str) -> str:
    if not me or not style.colours:
        return line
    from chatctl import mentions  # noqa: PLC0415 - what splits words costs most answers more than they take

    pieces, done = [], 0
    for start, end in mentions.spans(line, me):
        pieces += [line[done:start], style.mention(line[start:end])]
        done = end
    return "".join([*pieces, line[done:]])
