"""What a typed line means: something to say, or a command. Knows the syntax, not the commands."""

from dataclasses import dataclass

SLASH = "/"


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class Go:
    """To another of our rooms, by a key."""

    room: str


Line = Say | Call | Go


def parse(line: str) -> Say | Call | None:
    """None for nothing. `//x` says `/x`."""
    if not line.strip():
        return None
    if line.startswith(SLASH * 2):
        return Say(line[1:])
    if not line.startswith(SLASH):
        return Say(line)
    name, *rest = line[1:].split(maxsplit=1) or [""]
    return Call(name.lower(), rest[0].strip() if rest else "")


def typed(line: Say | Call) -> str:
    """What one would type for it; what is said literally keeps its second slash."""
    if isinstance(line, Say):
        return SLASH + line.text if line.text.startswith(SLASH) else line.text
    return f"{SLASH}{line.name} {line.argument}".rstrip()
