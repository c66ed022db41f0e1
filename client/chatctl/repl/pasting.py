"""A paste of several lines, asked about before it is one message. Knows texts, no keys and no terminal."""

from dataclasses import dataclass, replace

MAX_PASTE_CHARS = 64 * 1024
"""Over what a message may hold, which is for the daemon to say; this keeps a file dropped by mistake away."""


class TooMuch(Exception):
    """More than anybody wants to send."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What stood around the cursor, and what was pasted there."""

    before: str
    pasted: str
    after: str

    @property
    def text(self) -> str:
        return f"{self.before}{self.pasted}{self.after}"

    def and_then(self, data: str) -> "Pending":
        """With another paste behind it, before there was an answer. Raises TooMuch."""
        return replace(self, pasted=_text_of(f"{self.pasted}\n{data}"))

    @property
    def question(self) -> str:
        return (
            f"{self.pasted.count(chr(10)) + 1} lines pasted: send them as one message? (Y)es, (n)o, (e)dit "
        )


def pasted(data: str, before: str, after: str) -> Pending | str:
    """A text of one line as it goes into the line; of several, what is to be asked about. Raises TooMuch."""
    text = _text_of(data)
    return Pending(before, text, after) if "\n" in text else text


def _text_of(data: str) -> str:
    text = data.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if len(text) > MAX_PASTE_CHARS:
        raise TooMuch
    return text
