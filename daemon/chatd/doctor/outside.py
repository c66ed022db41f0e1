"""What keeps a daemon from starting, looked for without starting one and without changing anything."""

import socket
from pathlib import Path

from chatcore.errors import LocalError
from chatd.doctor import machine
from chatd.doctor.verdicts import State, Verdict
from chatd.folders import others_may_replace, protection
from chatd.keyfile import load_network_key, read_identity
from chatd.lock import holder_of
from chatd.settings import Settings
from chatd.store.look import State as Store
from chatd.store.look import look_at

LOCK = "lock"


def examine(loaded: Settings) -> list[Verdict]:
    """As a start would go about it. While a daemon holds the home, its port and store are its own."""
    running = check_lock(Path(loaded.paths.lock))
    verdicts = [
        running,
        *check_folders(Path(loaded.paths.key).parent, Path(loaded.paths.socket).parent),
        check_keys(Path(loaded.paths.key), loaded.network_key),
    ]
    if running.state is State.OK:
        verdicts += [check_socket(Path(loaded.paths.socket)), check_port(loaded.host, loaded.port)]
    if not loaded.persist:
        return [*verdicts, machine.check_files(machine.files_now(loaded.node.link.max_peers))]
    folder = Path(loaded.paths.store)
    if running.state is State.OK:
        verdicts.append(check_store(folder))
    return [
        *verdicts,
        machine.check_disk(machine.disk_at(folder)),
        machine.check_files(machine.files_now(loaded.node.link.max_peers)),
    ]


def check_lock(path: Path) -> Verdict:
    holder = holder_of(path)
    if holder is None:
        return Verdict(LOCK, State.OK, f"no daemon runs on {path.parent}")
    return Verdict(
        LOCK,
        State.BROKEN,
        f"process {holder} runs on {path.parent} already",
        "a second daemon on one home would spoil its history",
        "use that one: it may still be starting, hang, or have another --socket; or choose another --home",
    )


def check_folders(*folders: Path) -> list[Verdict]:
    """The home's, and the socket's where it is elsewhere."""
    return [_check_folder(folder) for folder in dict.fromkeys(folders)]


def _check_folder(folder: Path) -> Verdict:
    there = machine.existing(folder)
    refuses = machine.refusal(there)
    if refuses is None and not there.is_dir():
        refuses = f"{there} is not a folder"
    if refuses is not None:
        fix = "make it writable for the user who runs chatd, or choose another with --home or --socket"
        return Verdict("home", State.BROKEN, f"no files can be made in {folder}", refuses, fix)
    if there == folder and others_may_replace(folder.stat()):
        return Verdict(
            "home",
            State.BROKEN,
            f"{folder} is not this user's alone",
            "others on this machine may replace what is in it",
            protection(folder),
        )
    return Verdict("home", State.OK, f"{folder} {'is writable' if there == folder else 'can be made'}")


def check_keys(key: Path, network_key: Path | None) -> Verdict:
    who = "made at the first start"
    try:
        if key.exists() or key.is_symlink():
            who = read_identity(key).peer_id.short
        if network_key is not None:
            load_network_key(network_key)
    except LocalError as error:
        return Verdict("keys", State.BROKEN, "a key cannot be used", str(error), error.hint)
    return Verdict("keys", State.OK, f"identity {who}")


def check_socket(path: Path) -> Verdict:
    if path.exists() and not path.is_socket():
        fix = "move it, or choose another with --socket"
        return Verdict("socket", State.BROKEN, f"{path} is in the way", "it is not a socket", fix)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(str(path))
        except BlockingIOError:
            pass  # its queue is full: somebody listens
        except OSError:
            return Verdict("socket", State.OK, f"{path} is free")
    fix = "stop it, or choose another with --socket"
    return Verdict("socket", State.BROKEN, f"{path} is in use", "a daemon of another home answers there", fix)


def check_port(host: str, port: int) -> Verdict:
    if port == 0:
        return Verdict("port", State.OK, "any free one")
    try:
        for family, kind, number, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, number) as trying:
                trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    trying.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                trying.bind(address)
                trying.listen(1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        fix = f"see who has it: ss -ltnp 'sport = :{port}'; or choose another with --port, 0 for any free one"
        return Verdict("port", State.BROKEN, f"cannot listen on {host}, port {port}", why, fix)
    return Verdict("port", State.OK, f"{port} is free")


def check_store(folder: Path) -> Verdict:
    try:
        look = look_at(folder)
    except LocalError as error:
        return Verdict("store", State.BROKEN, "the store cannot be opened", str(error), error.hint)
    match look.state:
        case Store.NONE:
            return Verdict("store", State.OK, "made at the first start")
        case Store.SOUND:
            return Verdict("store", State.OK, "can be opened")
        case Store.OLDER:
            return Verdict("store", State.OK, "of an older version; the next start brings it up to date")
        case Store.UNCLEAN:
            return Verdict("store", State.OK, "not closed in order; the next start looks it over first")
        case Store.DAMAGED:
            fix = "start chatd: it moves the file aside, keeps what is whole in it, and says how much"
            return Verdict("store", State.WARN, "the store is damaged", look.why, fix)
