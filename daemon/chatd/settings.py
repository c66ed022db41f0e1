"""What the operator wants: flags, else CHATD_* variables, else the TOML file, else defaults; frozen."""

import getpass
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from chatcore import names
from chatcore.addressbook import MAX_KEPT
from chatcore.addresses import scope_at
from chatcore.config import GossipConfig, LinkConfig, NodeConfig
from chatcore.errors import LocalError
from chatcore.paths import MAX_SOCKET_PATH_BYTES, Paths
from chatd.amounts import Duration, Size
from chatd.store import LEAST_QUOTA_BYTES, Policy

MAX_CONFIG_BYTES = 256 * 1024
MAX_PEERS = 1000
MAX_FANOUT = 100
MAX_TTL = 255
DEFAULT_MAX_STORE = "2GiB"
"""About four million messages: beyond most people's lives, and short of filling a small disk."""

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "console", "json")

# Flags that say where things are: the file they lead to cannot set them, and clients do not read it.
_NOT_IN_FILE = ("home", "socket", "config", "help", "version", "check")

_CLIENT_TABLE = "chat"
"""What the file says to the REPL; it is read there."""


class BadSettings(LocalError):
    kind = "bad_settings"


@dataclass(frozen=True, slots=True)
class Settings:
    paths: Paths
    home: str | None
    host: str
    port: int
    persist: bool
    policy: Policy
    network_key: Path | None
    mdns: bool
    log_level: str
    log_format: str
    node: NodeConfig


def _number(flag: str, least: int, most: int, default: int, text: str | None = None) -> Any:
    return click.option(
        flag, type=click.IntRange(least, most), metavar="N", default=default, show_default=True, help=text
    )


def _path(value: str) -> str:
    """A script's unset variable must not stand for some other place; the clients say the same."""
    if not value:
        raise click.BadParameter("it is empty; name a file or a folder")
    return value


_DEFAULT = NodeConfig()
_FLAGS = (
    click.option(
        "--home", type=_path, metavar="DIR", help="Keep identity, store, settings and socket in one folder."
    ),
    click.option(
        "--host",
        metavar="ADDR",
        default="0.0.0.0",  # noqa: S104 - peers are to reach it from everywhere
        show_default=True,
        help="Listen here.",
    ),
    _number("--port", 0, names.MAX_PORT, 8080, "Listen on this port; 0 takes any free one."),
    click.option(
        "--advertise",
        multiple=True,
        metavar="IP:PORT",
        help="Tell peers to dial this node there; repeatable.  [default: what it finds out]",
    ),
    click.option("--username", "-u", metavar="NAME", help="What others see.  [default: your login]"),
    click.option("--bootstrap", multiple=True, metavar="HOST:PORT", help="A peer to start with; repeatable."),
    click.option(
        "--mdns/--no-mdns", default=True, help="Find nodes on the local network, and be found by them."
    ),
    _number(
        "--max-peers",
        1,
        MAX_PEERS,
        _DEFAULT.link.max_peers,
        "Links in all; 12 and twice the fanout are safe.",
    ),
    _number(
        "--fanout", 1, MAX_FANOUT, _DEFAULT.gossip.fanout, "Neighbours to aim at in each room; never under 3."
    ),
    _number("--ttl", 1, MAX_TTL, _DEFAULT.gossip.ttl, "Hops a message is pushed; beyond, it is fetched."),
    click.option("--persist/--no-persist", default=True, help="Keep history on disk, or until exit only."),
    click.option("--db-path", type=_path, metavar="DIR", help="Keep the store here instead."),
    click.option(
        "--retain",
        type=Duration(),
        metavar="TIME",
        help="Keep messages so long: 90d, 8w, 6m, 1y.  [default: forever]",
    ),
    click.option(
        "--max-store",
        type=Size(LEAST_QUOTA_BYTES),
        metavar="SIZE",
        default=DEFAULT_MAX_STORE,
        show_default=True,
        help="The data file's greatest size; near it the oldest go, but for pinned and undelivered ones.",
    ),
    click.option("--network", metavar="NAME", default=_DEFAULT.network, show_default=True),
    click.option(
        "--network-key", type=_path, metavar="FILE", help="64 hex digits every member of the network holds."
    ),
    click.option("--socket", type=_path, metavar="PATH", help="The local API's socket."),
    click.option("--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True),
    click.option("--log-format", type=click.Choice(LOG_FORMATS), default="auto", show_default=True),
    click.option(
        "--config", type=_path, metavar="FILE", help="A TOML file whose keys are these flags' names."
    ),
)


LEAST_SAFE_PEERS = 12


def safe_max_peers(fanout: int) -> int:
    """With fewer places small rooms take them all, and a network of such nodes falls into parts."""
    return max(LEAST_SAFE_PEERS, 2 * fanout)


def options(command: Any) -> Any:
    """The daemon's flags, as a click decorator."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def load(context: click.Context, values: dict[str, Any]) -> Settings:
    """Raises BadSettings, BadName or BadAddress, each saying which setting is wrong."""
    paths = Paths.resolve(values["home"], os.environ)
    explicit = values["config"]
    values = {**values, **_from_file(context, Path(explicit or paths.config), required=explicit is not None)}
    paths = Paths(
        config=explicit or paths.config,
        key=paths.key,
        store=values["db_path"] or paths.store,
        lock=paths.lock,
        socket=_socket(context, values, paths),
        chat=paths.chat,
    )
    _check_socket(paths.socket)
    return Settings(
        paths=paths,
        home=values["home"],
        host=values["host"],
        port=values["port"],
        persist=values["persist"],
        policy=Policy(values["retain"], values["max_store"]),
        network_key=Path(values["network_key"]) if values["network_key"] else None,
        mdns=values["mdns"],
        log_level=values["log_level"],
        log_format=values["log_format"],
        node=NodeConfig(
            network=names.network_name(values["network"]),
            username=names.username(_login() if values["username"] is None else values["username"]),
            advertise=tuple(_advertised(address) for address in values["advertise"]),
            bootstrap=_bootstrap(values["bootstrap"]),
            link=LinkConfig(max_peers=values["max_peers"]),
            gossip=GossipConfig(fanout=values["fanout"], ttl=values["ttl"]),
        ),
    )


def _socket(context: click.Context, values: dict[str, Any], paths: Paths) -> str:
    """Flags before the environment, a socket before a home of the same rank: as the clients' `locate`."""

    def flag(name: str) -> str | None:
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        return values[name] if given else None

    if (socket := flag("socket")) is not None:
        return socket
    if flag("home") is not None:
        return paths.socket
    return os.environ.get("CHATD_SOCKET") or paths.socket


def _bootstrap(values: Iterable[str]) -> tuple[str, ...]:
    addresses = tuple(dict.fromkeys(names.normal_address(address) for address in values))
    if len(addresses) > MAX_KEPT:
        raise BadSettings(
            f"--bootstrap: {len(addresses)} addresses, {MAX_KEPT} are the most",
            "leave some out; one peer that answers tells of the others",
        )
    return addresses


def _advertised(address: str) -> str:
    normal = names.normal_address(address)
    if scope_at(normal) is None:
        raise BadSettings(
            f"--advertise {address}: nobody can be dialled there", "write IP:PORT; names do not serve"
        )
    return normal


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "anonymous"


def _check_socket(path: str) -> None:
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH_BYTES:
        raise BadSettings(
            f"the socket's path has {size} bytes, the system takes {MAX_SOCKET_PATH_BYTES}: {path}",
            "choose a shorter one with --socket",
        )


def _from_file(context: click.Context, path: Path, *, required: bool) -> dict[str, Any]:
    """The file's values for every flag that neither the command line nor the environment sets."""
    table = _read_toml(path, required=required)
    parameters = {
        parameter.opts[0].lstrip("-"): parameter
        for parameter in context.command.params
        if parameter.name not in _NOT_IN_FILE
    }
    values = {}
    for key, value in table.items():
        if key == _CLIENT_TABLE and isinstance(value, dict):
            continue
        parameter = parameters.get(key)
        if parameter is None:
            known = ", ".join([*parameters, f"[{_CLIENT_TABLE}]"])
            raise BadSettings(f"{path}: unknown key {key[:80]!r}", f"known are: {known}")
        name = str(parameter.name)
        if context.get_parameter_source(name) is ParameterSource.DEFAULT:
            values[name] = _convert(context, parameter, value, f"{path}: {key}")
    return values


def _convert(context: click.Context, parameter: click.Parameter, value: Any, where: str) -> Any:
    if isinstance(value, list) != parameter.multiple or isinstance(value, dict):
        wanted = "a list" if parameter.multiple else "a single value"
        raise BadSettings(f"{where} must be {wanted}", "mend the file")
    wanted_type = _toml_type(parameter.type)
    items = value if isinstance(value, list) else [value]
    if not all(type(item) is wanted_type for item in items):
        raise BadSettings(f"{where} must be of type {wanted_type.__name__}", "mend the file")
    try:
        return parameter.type_cast_value(context, value)
    except click.BadParameter as error:
        raise BadSettings(f"{where}: {error.message.rstrip('.').lower()}", "mend the file") from error


def _toml_type(kind: object) -> type:
    match kind:
        case click.types.BoolParamType():
            return bool
        case click.IntRange():
            return int
        case _:
            return str


def _read_toml(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
        if len(data) > MAX_CONFIG_BYTES:
            raise BadSettings(f"{path}: over {MAX_CONFIG_BYTES} bytes", "choose another file with --config")
        return tomllib.loads(data.decode())
    except OSError as error:
        if not required and isinstance(error, FileNotFoundError | NotADirectoryError):
            return {}
        raise BadSettings(f"{path}: {(error.strerror or str(error)).lower()}", "check --config") from error
    except (ValueError, RecursionError) as error:  # the latter for arrays nested hundreds deep
        line = str(error).splitlines()[0]
        raise BadSettings(f"{path}: not valid TOML: {line}", "mend the file") from error
