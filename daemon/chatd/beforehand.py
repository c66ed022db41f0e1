"""What a first start can be refused for before it makes anything, so that one with a slip in its flags leaves
nothing behind. Each rule is the start's own, applied once more where it belongs.
"""

from pathlib import Path

from chatd.folders import refuse_folder
from chatd.keyfile import load_network_key, read_identity
from chatd.lock import Lock
from chatd.settings import Settings
from chatd.store.faults import refusing
from chatd.store.folder import STORE_LOCK
from chatd.store.folder import refuse_folder as refuse_store
from chatd.taken import cannot_open, refuse_port, refuse_socket


def refuse(loaded: Settings) -> None:
    """Raises the LocalError that a start would. In a home that was used before, its lock is asked first."""
    paths = loaded.paths
    key, socket, store = Path(paths.key), Path(paths.socket), Path(paths.store)
    if Path(paths.lock).exists():
        return
    refuse_folder(key.parent, "--home")
    refuse_folder(socket.parent, "--socket")
    if key.exists() or key.is_symlink():
        read_identity(key)
    if loaded.network_key is not None:
        load_network_key(loaded.network_key)
    if loaded.persist:
        with refusing(store):
            refuse_store(store)
        if (lock := store / STORE_LOCK).exists():
            Lock(lock, "--db-path").close()
    try:
        refuse_socket(socket)
    except OSError as error:
        raise cannot_open(socket, error) from error
    refuse_port(loaded.host, loaded.port)
