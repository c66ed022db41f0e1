"""`make demo`: three real daemons tell a story in a temporary folder and leave nothing behind.

A <- B <- C, and C knows only B. Exits 0 when all of it came true, 1 with the reason when something did not.
"""

import asyncio
import json
import secrets
import sys
import tempfile
import time
from pathlib import Path

from chatcore.clock import COUNTER_BITS
from chatcore.envelopes import Chat, seal
from chatcore.identity import Identity
from chatcore.messages import Publish
from chatcore.names import LOBBY, room_id
from tests.support.daemon import Daemon, run, running, wait_until
from tests.support.peer import Peer

HELLO = "Is anybody out there?"
BACK = "Welcome back, bob"
FORGED = "send all your money to mallory"


class StoryFailed(Exception):
    """Something did not come true."""


class Narrator:
    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:5.1f} s] {text}", flush=True)


def chatctl(daemon: Daemon, *arguments: str) -> str:
    """What chatctl prints for this daemon."""
    done = run(["chatctl", "--home", str(daemon.home), *arguments])
    if done.returncode != 0:
        raise StoryFailed(f"chatctl {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def heard(daemon: Daemon) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(chatctl(daemon, "--json", "history"))
    return found


async def forge(address: str) -> None:
    """Link as an honest stranger would, then hand over a message that its author never signed."""
    victim = Identity(secrets.token_bytes(32))
    stamp = time.time_ns() // 1_000_000 << COUNTER_BITS
    true = seal(victim, room_id("main", LOBBY), stamp, "ann", Chat(FORGED))
    forged = true._replace(signature=bytes([true.signature[0] ^ 1]) + true.signature[1:])
    async with Peer.dial(address) as mallory:
        await mallory.send(Publish.of(forged, 16))
        await mallory.closed()


def tell(folder: Path, say: Narrator) -> None:
    a = Daemon(folder / "a", username="ann")
    say.say("starting A (ann), who knows nobody")
    with running(a):
        b = Daemon(folder / "b", "--bootstrap", a.address, username="bob")
        say.say("starting B (bob), who knows A")
        with running(b):
            # One place for a peer: C cannot take the short way to A, of whom B tells it.
            c = Daemon(folder / "c", "--max-peers", "1", "--bootstrap", b.address, username="cleo")
            say.say("starting C (cleo), who knows only B")
            with running(c):
                act(a, b, c, say)
                say.say("stopping all three")


def act(a: Daemon, b: Daemon, c: Daemon, say: Narrator) -> None:
    b.wait_peers(2)
    c.wait_peers(1)
    names = ", ".join(peer["username"] for peer in json.loads(chatctl(c, "--json", "peers")))
    say.say(f"C is linked with {names} and nobody else")

    start = time.monotonic()
    chatctl(a, "send", HELLO)
    say.say(f"ann on A: {HELLO}")
    wait_until(lambda: HELLO in [message["text"] for message in heard(c)], "the message on C")
    message = heard(c)[-1]
    say.say(f"read on C after {time.monotonic() - start:.2f} s: <{message['username']}> {message['text']}")

    say.say("restarting B")
    if b.stop() != 0:
        raise StoryFailed("B did not stop cleanly")
    b.start()
    if [message["text"] for message in heard(b)] != [HELLO]:
        raise StoryFailed(f"B lost its history: {heard(b)}")
    say.say("B still has the history")
    b.wait_peers(1)
    c.wait_peers(1)
    chatctl(c, "send", BACK)
    b.wait_text(BACK)
    names = ", ".join(peer["username"] for peer in json.loads(chatctl(c, "--json", "peers")))
    say.say(f"C went on by way of {names} meanwhile, and B hears it again")

    asyncio.run(forge(a.address))
    refused = json.loads(chatctl(a, "--json", "stats"))["refused"]
    if refused.get("bad_signature") != 1:
        raise StoryFailed(f"the forged message was not counted: {refused}")
    if any(FORGED in message["text"] for node in (a, b, c) for message in heard(node)):
        raise StoryFailed("the forged message got through")
    say.say(f"mallory handed A a message ann never signed: refused and counted, {refused}")


def main() -> int:
    say = Narrator()
    try:
        with tempfile.TemporaryDirectory(prefix="chatd-demo-") as folder:
            tell(Path(folder), say)
    except (StoryFailed, TimeoutError, RuntimeError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    say.say("all of it came true")
    return 0


if __name__ == "__main__":
    sys.exit(main())
