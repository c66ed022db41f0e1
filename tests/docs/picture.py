"""The picture in the README: two real daemons, a `chat` on each in a terminal of its own, and what they show.

`make picture` takes it again; nothing in it is drawn by hand.
"""

import sys
import tempfile
from pathlib import Path

from tests.docs.screenshot import DimScreen, svg
from tests.support.daemon import Daemon, running
from tests.support.terminal import Terminal

PICTURE = Path("docs/img/two-terminals.svg")
COLUMNS, LINES = 58, 17


class Window(Terminal):
    screen_type = DimScreen


def take(folder: Path) -> str:
    """The SVG of a short talk; the daemons keep what they have in `folder`."""
    ann = Daemon(folder / "ann", username="ann")
    with running(ann):
        bob = Daemon(folder / "bob", "--bootstrap", ann.address, username="bob")
        with running(bob), _chat(ann) as at_ann, _chat(bob) as at_bob:
            ann.wait_peers(1)
            for window in (at_ann, at_bob):
                window.wait_for("#lobby>")
            for speaker, listener, text in [
                (at_ann, at_bob, "hi bob! which server are we on?"),
                (at_bob, at_ann, "none: my node talks to yours"),
                (at_ann, at_bob, "and when you are away?"),
                (at_bob, at_ann, "it is kept, and I get it when I am back"),
            ]:
                speaker.enter(text)
                listener.wait_for(text)
                speaker.wait_for(text)
            at_ann.enter("/peers")
            at_ann.wait_for("127.0.0.1:")
            at_bob.enter("/who")
            at_bob.wait_for("(you)")
            at_bob.type("same time tomorr")
            at_bob.wait_for("tomorr")
            for window in (at_ann, at_bob):
                window.settle()
            return svg([("ann", at_ann.screen), ("bob", at_bob.screen)])


def _chat(node: Daemon) -> Window:
    return Window("chat", "--home", str(node.home), columns=COLUMNS, lines=LINES)


def main() -> int:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    with tempfile.TemporaryDirectory() as folder:
        picture = take(Path(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture)
    print(f"{target}: {len(picture) // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
