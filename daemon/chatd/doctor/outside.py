"""What keeps a daemon from starting, looked for without starting one and without changing anything."""

from pathlib import Path

from chatcore.errors import LocalError
from chatd.doctor import machine
from chatd.doctor.verdicts import State, Verdict
from chatd.folders import refuse_folder
from chatd.keyfile import load_network_key, read_identity
from chatd.lock import AlreadyRunning, holder_of, refuse_lock
from chatd.settings import Settings
from chatd.store.folder import STORE_LOCK
from chatd.store.look import State as Store
from chatd.store.look import look_at
from chatd.taken import SocketTaken, cannot_open, refuse_port, refuse_socket


def examine(loaded: Settings) -> list[Verdict]:
    """As a start would go about it. While a daemon holds the home, its port and store are its own."""
    paths = loaded.paths
    running = check_lock(Path(paths.lock))
    verdicts = [
        running,
        *check_folders(Path(paths.key).parent, Path(paths.socket).parent),
        check_keys(Path(paths.key), loaded.network_key),
    ]
    free = running.state is State.OK
    if free:
        verdicts += [check_socket(Path(paths.socket)), check_port(loaded.host, loaded.port)]
    if loaded.persist:
        disk = machine.disk_at(Path(paths.store))
        if free and disk.refuses is None:
            verdicts.append(check_store(disk.folder))
        verdicts.append(machine.check_disk(disk))
    return [*verdicts, machine.check_files(machine.files_now(loaded.node.link.max_peers))]


def check_lock(path: Path) -> Verdict:
    try:
        refuse_lock(path)
    except AlreadyRunning:
        return Verdict(
            "lock",
            State.BROKEN,
            f"process {holder_of(path)} runs on {path.parent} already",
            "a second daemon on one home would spoil its history",
            "use that one: it may be starting, hang, or have another --socket; or choose another --home",
        )
    except LocalError as error:
        return Verdict("lock", State.BROKEN, f"{path.parent} cannot be locked", str(error), error.hint)
    return Verdict("lock", State.OK, f"no daemon runs on {path.parent}")


def check_folders(home: Path, socket: Path) -> list[Verdict]:
    """The home's, and the socket's where it is elsewhere."""
    flags = {socket: "--socket", home: "--home"}
    return [_check_folder(folder, flags[folder]) for folder in dict.fromkeys((home, socket))]


def _check_folder(folder: Path, flag: str) -> Verdict:
    try:
        refuse_folder(folder, flag)
    except LocalError as error:
        return Verdict("home", State.BROKEN, f"{folder} cannot be used", str(error), error.hint)
    return Verdict("home", State.OK, f"{folder} {'is writable' if folder.exists() else 'can be made'}")


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
    try:
        refuse_socket(path)
    except SocketTaken as error:
        return Verdict("socket", State.BROKEN, f"{path} is taken", str(error), error.hint)
    except OSError as error:
        refused = cannot_open(path, error)
        return Verdict("socket", State.BROKEN, f"{path} cannot be used", str(refused), refused.hint)
    return Verdict("socket", State.OK, f"{path} is free")


def check_port(host: str, port: int) -> Verdict:
    try:
        refuse_port(host, port)
    except LocalError as error:
        return Verdict("port", State.BROKEN, f"cannot listen on {host}, port {port}", str(error), error.hint)
    return Verdict("port", State.OK, f"{port} is free" if port else "any free one")


def check_store(folder: Path) -> Verdict:
    try:
        refuse_lock(folder / STORE_LOCK, "--db-path")
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
