"""`chatd`: reads its settings, takes its lock, puts the parts together, runs until told to stop."""

import asyncio
import gc
import os
import random
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click
import structlog
import uvloop

from chatcore import __version__
from chatcore.addresses import is_everywhere
from chatcore.clock import HybridClock
from chatcore.errors import AliasTaken, LocalError
from chatcore.events import RoomRecord, Started, Stop
from chatcore.handshake import Credentials
from chatcore.names import room_id, split_address
from chatcore.node import Node
from chatcore.people import check_free
from chatd import attach, beforehand, logs, settings
from chatd.backup import Backups
from chatd.discovery import Discovery
from chatd.doctor import outside, report
from chatd.doctor.examination import Doctor
from chatd.doctor.verdicts import State, worst
from chatd.driver import Driver
from chatd.feed import Feed
from chatd.folders import make_folder
from chatd.keyfile import load_network_key, load_or_create_identity
from chatd.links import Links
from chatd.lock import Lock
from chatd.methods import Methods
from chatd.notify import notify
from chatd.server import Server
from chatd.servicerecord import ServiceRecord
from chatd.settings import Settings, safe_max_peers
from chatd.store import Damaged, Store, Trimmed
from chatd.store.folder import STORE_LOCK
from chatd.store.readiness import make_ready
from chatd.taken import cannot_listen, cannot_open

STDERR = 2
EXIT_FAILED = 1
EXIT_USAGE = 3

LAST_WORDS_S = 2.0
"""How long peers get to take our goodbye, so that stopping stays well under 5 s."""

STOP_S = 30.0
"""For all of stopping, by which even a slow disk has taken what is queued; systemd kills after 90 s."""

PATIENCE_US = 30_000_000
"""How much longer systemd is to wait for READY each time a long check says that it goes on."""

SWITCH_INTERVAL_S = 0.0001
"""How long a busy event loop keeps the interpreter lock while signature checks wait for it (default 5 ms)."""

log = structlog.get_logger()


@click.command(
    context_settings={
        "auto_envvar_prefix": "CHATD",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    }
)
@settings.options
@click.option(
    "--check",
    is_flag=True,
    allow_from_autoenv=False,
    help="Say what would keep it from starting, and start nothing.",
)
@click.version_option(__version__, message="%(prog)s %(version)s", allow_from_autoenv=False)
@click.pass_context
def command(context: click.Context, /, *, check: bool, **values: Any) -> None:
    """Run a chat node: it keeps your identity and history, finds its peers and serves chat and chatctl.

    \b
      chatd                                     on port 8080, files in their XDG folders
      chatd --bootstrap friend.example:8080     and linked with a friend
      chatd --home /tmp/a --port 0              a second node on the same machine

    Every flag may also stand in the environment (CHATD_PORT=9000) or in the TOML file (port = 9000).
    """
    loaded = settings.load(context, values)
    if check:
        _check(loaded)
    console = logs.configure(loaded.log_level, loaded.log_format)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    os.umask(0o077)
    with ExitStack() as stack:
        daemon = Daemon(loaded, stack, console=console)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(daemon.run())


def _check(loaded: Settings) -> NoReturn:
    """Exits 0 when a daemon could start now, else 1."""
    verdicts = outside.examine(loaded)
    people = loaded.log_format == "console" or (loaded.log_format == "auto" and sys.stdout.isatty())
    click.echo(report.lines(verdicts) if people else report.document(verdicts))
    sys.exit(EXIT_FAILED if worst(verdicts) is State.BROKEN else 0)


def main() -> NoReturn:
    """The console script. Exits 0 after a stop, 1 when it cannot run, 3 for wrong flags or settings."""
    sys.stderr = logs.LogStream(STDERR)
    try:
        command.main(prog_name="chatd", standalone_mode=False)
    except click.ClickException as error:
        _complain(error.format_message().rstrip("."), "see chatd --help")
        sys.exit(EXIT_USAGE)
    except click.Abort:
        sys.exit(EXIT_FAILED)
    except LocalError as error:
        _complain(str(error), error.hint)
        sys.exit(EXIT_USAGE if error.kind in USAGE_KINDS else EXIT_FAILED)
    sys.exit(0)


USAGE_KINDS = ("bad_settings", "bad_name", "bad_address")


def _complain(what: str, hint: str) -> None:
    click.echo(f"chatd: {what}" + (f"; {hint}" if hint else ""), err=True)
    notify(f"STATUS={what}")


class Daemon:
    """Takes what can be refused (folders, locks, keys, store) at construction; `run` does the rest."""

    def __init__(self, loaded: Settings, stack: ExitStack, *, console: bool) -> None:
        self._settings = loaded
        self._console = console
        self._stack = stack
        paths = loaded.paths
        beforehand.refuse(loaded)
        for path, flag in ((paths.key, "--home"), (paths.socket, "--socket")):
            make_folder(Path(path).parent, flag)
        stack.enter_context(Lock(Path(paths.lock)))
        self._identity, self._new = load_or_create_identity(Path(paths.key))
        self._network_key = load_network_key(loaded.network_key) if loaded.network_key else None
        self._store = self._open_store(stack)

    def _open_store(self, stack: ExitStack) -> Store:
        if not self._settings.persist:
            store = Store.temporary(on_damage=_log_damage)
        else:
            folder = Path(self._settings.paths.store)
            Store.prepare(folder)
            stack.enter_context(Lock(folder / STORE_LOCK, "--db-path"))
            damaged = make_ready(folder, _tell_of_store)
            policy = self._settings.policy
            store = Store.open(
                folder, policy=policy, on_damage=_log_damage, on_trim=_log_trim, damaged=damaged
            )
        stack.callback(store.close)
        return store

    async def run(self) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stopping.set)
        store = self._store
        driver = Driver(store)
        links = self._links(driver)
        listen = await self._listen(links)
        host, port = split_address(listen)
        driver.attach(self._node(driver, "" if is_everywhere(host) else host, port), links)
        backups = Backups(self._settings)
        discovery = self._discovery(driver, links)
        methods = Methods(
            driver,
            store,
            listen=listen,
            stop=stopping.set,
            backups=backups,
            mdns=discovery.status,
            doctor=Doctor(driver, store, self._settings, discovery.status),
        )
        feed = Feed(store, methods.name_of, driver.node)
        driver.publish = feed.publish
        store.start(driver.take_results)
        server = Server(methods, feed)
        await self._open_socket(server)
        async with asyncio.TaskGroup() as group:
            await links.serve(group)
            driver.post(Started())
            self._say_ready(listen)
            discovery.start(group)
            gc.freeze()  # what is loaded by now stays; collecting garbage need not walk it again
            gc.enable()
            await stopping.wait()
            self._say_stopping()
            self._stack.enter_context(_ended_after(STOP_S))
            await self._stop(driver, links, server, discovery)
        driver.close()

    async def _stop(self, driver: Driver, links: Links, server: Server, discovery: Discovery) -> None:
        """Peers hear goodbye, everybody waiting for an answer gets it, the disk has everything."""
        driver.post(Stop())
        await asyncio.gather(links.stop(LAST_WORDS_S), discovery.stop())
        await driver.finished()
        await server.stop()
        await asyncio.to_thread(self._store.close)

    def _links(self, driver: Driver) -> Links:
        node = self._settings.node
        credentials = Credentials(
            self._identity, node.network, secrets.token_bytes(32), network_key=self._network_key
        )
        return Links(credentials, node.link, post=driver.post, now=driver.now, hello=driver.hello)

    def _discovery(self, driver: Driver, links: Links) -> Discovery:
        record = ServiceRecord(self._settings.node.network, self._network_key, self._identity.peer_id)
        return Discovery(record, links.listening, driver.post, wanted=self._settings.mdns)

    async def _listen(self, links: Links) -> str:
        host, port = self._settings.host, self._settings.port
        try:
            return await links.listen(host, port)
        except OSError as error:
            raise cannot_listen(host, port, error) from error

    def _node(self, driver: Driver, host: str, port: int) -> Node:
        config = replace(
            self._settings.node, listen_host=host, listen_port=port, user_agent=f"chatd/{__version__}"
        )
        rooms = [
            RoomRecord(entry.room_id, entry.name, entry.joined)
            for entry in self._store.rooms()
            if entry.room_id
            == room_id(config.network, entry.name)  # the home may have served another network
        ]
        return Node(
            self._identity,
            config,
            index=self._store,
            rng=random.SystemRandom(),
            now=driver.now(),
            clock=HybridClock(self._store.first_stamp()),
            rooms=rooms,
            restored=self._store.restored,
            own=self._store.own,
            people=self._store.people(),
            discouraged=self._store.discouraged(),
            addresses=self._store.addresses(),
        )

    async def _open_socket(self, server: Server) -> None:
        path = Path(self._settings.paths.socket)
        try:
            await server.start(path)
        except OSError as error:
            raise cannot_open(path, error) from error

    def _say_ready(self, listen: str) -> None:
        notify(f"READY=1\nSTATUS=listening on {listen}")
        paths = self._settings.paths
        log.info(
            "ready",
            version=__version__,
            peer=self._identity.peer_id.short,
            username=self._settings.node.username,
            network=self._settings.node.network,
            listen=listen,
            socket=paths.socket,
            new_identity=self._new,
        )
        link, gossip = self._settings.node.link, self._settings.node.gossip
        if link.max_peers < (safe := safe_max_peers(gossip.fanout)):
            log.warning(
                "few_peers",
                why="a network of such nodes may fall into parts",
                max_peers=link.max_peers,
                safe=safe,
            )
        try:
            check_free(self._store.people(), self._settings.node.username)
        except AliasTaken as error:
            log.warning("name_like_an_alias", why=str(error), hint=error.hint)
        if self._console:
            chat, chatctl = (
                attach.command(client, self._settings.home, paths.socket) for client in ("chat", "chatctl")
            )
            click.echo(
                f"chatd {__version__} listens on {listen}. In another terminal, to chat:\n"
                f"  {chat}\n"
                "and for everything else:\n"
                f"  {chatctl} --help\n"
                "Ctrl-C stops it.",
                err=True,
            )

    def _say_stopping(self) -> None:
        notify("STOPPING=1")
        log.info("stopping")


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Whatever hangs meanwhile, be it the loop itself, the process is gone by then."""
    timer = threading.Timer(seconds, _give_up, [seconds])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _give_up(seconds: float) -> None:
    """Nothing that was acknowledged is lost: that waits for its commit."""
    try:
        log.error("stop_took_too_long", seconds=seconds, hint="is the disk stuck?")
    finally:
        # Not sys.exit: nothing interrupts a thread in a system call, and a plain exit waits for the store's.
        os._exit(EXIT_FAILED)


def _tell_of_store(event: str, fields: Mapping[str, Any]) -> None:
    """What goes on before the store opens, which may take long: the supervisor is asked for patience."""
    notify(f"EXTEND_TIMEOUT_USEC={PATIENCE_US}\nSTATUS={event.replace('_', ' ')}")
    if event in ("store_damaged", "store_quarantined"):
        log.error(event, **fields)
    else:
        log.info(event, **fields)


def _log_trim(trimmed: Trimmed) -> None:
    log.info("store_trimmed", messages=trimmed.messages, rooms=trimmed.rooms)


def _log_damage(damaged: Damaged) -> None:
    log.error("store_damaged", key=damaged.key.hex(), why=damaged.why)


if __name__ == "__main__":
    main()
