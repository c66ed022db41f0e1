"""One encrypted file that holds a few named ones: how a backup is written and read, in bounded memory.

A key from the passphrase by Argon2id, then libsodium's secretstream (XChaCha20-Poly1305): a frame that was
altered, left out, repeated or moved does not decrypt, and a file that ends early lacks the last frame's tag.

    "chatd-backup-1\\n" || u32 opslimit || u32 memlimit in KiB || 16 bytes salt || 24 bytes stream header
    then frames: u32 length || ciphertext. Inside: "N" || name, or "D" || data, and last of all "E".
"""

import secrets
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, TypeAlias

import nacl.exceptions
from nacl import bindings
from nacl.pwhash import argon2id

from chatcore.errors import LocalError

MAGIC = b"chatd-backup-1\n"
MAX_DATA_BYTES = 64 * 1024
MAX_NAME_BYTES = 100
MAX_PASSPHRASE_CHARS = 1024

MAX_OPSLIMIT = 16
MAX_MEMLIMIT_KIB = 1024 * 1024
"""What a file may ask us to spend on its key: an altered one must not take all memory."""

_State: TypeAlias = bindings.crypto_secretstream_xchacha20poly1305_state
_LENGTH = struct.Struct(">I")
_COST = struct.Struct(">II16s")
_MAX_FRAME_BYTES = MAX_DATA_BYTES + 1 + bindings.crypto_secretstream_xchacha20poly1305_ABYTES
_STREAM_HEADER_BYTES = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
_TAG_MESSAGE = bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_TAG_FINAL = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL


class VaultUnreadable(LocalError):
    kind = "backup_unreadable"


class Cost(NamedTuple):
    opslimit: int
    memlimit_kib: int


NORMAL = Cost(argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE // 1024)
"""libsodium's middle way: 256 MiB and most of a second for each guess."""


class VaultWriter:
    def __init__(self, file: BinaryIO, passphrase: str, cost: Cost = NORMAL) -> None:
        self._file = file
        salt = secrets.token_bytes(argon2id.SALTBYTES)
        head = MAGIC + _COST.pack(*cost, salt)
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        key = _key(passphrase, cost, salt)
        head += bindings.crypto_secretstream_xchacha20poly1305_init_push(self._state, key)
        self._file.write(head)
        self._bound: bytes | None = head
        """The first frame is bound to what stands before it in clear."""

    def begin(self, name: str) -> None:
        """What is added from here on is that file's."""
        self._push(b"N" + name.encode(), _TAG_MESSAGE)

    def add(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_DATA_BYTES):
            self._push(b"D" + data[start : start + MAX_DATA_BYTES], _TAG_MESSAGE)

    def finish(self) -> None:
        self._push(b"E", _TAG_FINAL)

    def _push(self, plain: bytes, tag: int) -> None:
        frame = bindings.crypto_secretstream_xchacha20poly1305_push(self._state, plain, self._bound, tag)
        self._bound = None
        self._file.write(_LENGTH.pack(len(frame)) + frame)


def read_vault(file: BinaryIO, passphrase: str) -> Iterator[tuple[str, bytes]]:
    """Each file's name with its data, piece by piece; at least one piece a file, which may be empty.

    Raises:
        VaultUnreadable: not such a file, the wrong passphrase, altered or cut short. What was given before
            that is not to be used.
    """
    fixed = file.read(len(MAGIC) + _COST.size + _STREAM_HEADER_BYTES)
    if not fixed.startswith(MAGIC):
        raise VaultUnreadable("it is not a backup that this chatd knows", "check the path")
    if len(fixed) < len(MAGIC) + _COST.size + _STREAM_HEADER_BYTES:
        raise _cut_short()
    opslimit, memlimit_kib, salt = _COST.unpack_from(fixed, len(MAGIC))
    cost = Cost(opslimit, memlimit_kib)
    if not (1 <= opslimit <= MAX_OPSLIMIT and 8 <= memlimit_kib <= MAX_MEMLIMIT_KIB):
        raise _altered()
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    header = fixed[-_STREAM_HEADER_BYTES:]
    bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, header, _key(passphrase, cost, salt))
    name: str | None = None
    for plain, is_last in _frames(file, state, fixed):
        kind, content = plain[:1], plain[1:]
        if is_last:
            if kind != b"E" or file.read(1):
                raise _altered()
            return
        if kind == b"N" and len(content) <= MAX_NAME_BYTES:
            name = content.decode()
            yield name, b""
        elif kind == b"D" and name is not None:
            yield name, content
        else:
            raise _altered()


def _frames(file: BinaryIO, state: _State, fixed: bytes) -> Iterator[tuple[bytes, bool]]:
    bound: bytes | None = fixed
    while True:
        head = file.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            raise _cut_short()
        (size,) = _LENGTH.unpack(head)
        if not 0 < size <= _MAX_FRAME_BYTES:
            raise _altered()
        frame = file.read(size)
        if len(frame) < size:
            raise _cut_short()
        try:
            plain, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(state, frame, bound)
        except (nacl.exceptions.CryptoError, ValueError) as error:
            if bound is not None:
                why = "the passphrase is wrong, or the beginning of the file was altered"
                raise VaultUnreadable(why, "try the passphrase again") from error
            raise _altered() from error
        bound = None
        yield plain, tag == _TAG_FINAL


def _key(passphrase: str, cost: Cost, salt: bytes) -> bytes:
    size = bindings.crypto_secretstream_xchacha20poly1305_KEYBYTES
    secret = passphrase.encode()
    return argon2id.kdf(size, secret, salt, opslimit=cost.opslimit, memlimit=cost.memlimit_kib * 1024)


def _altered() -> VaultUnreadable:
    return VaultUnreadable("it was altered or damaged", "take another copy of the backup")


def _cut_short() -> VaultUnreadable:
    return VaultUnreadable("it is cut short", "take another copy of the backup")
