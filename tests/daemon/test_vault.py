"""The encrypted file of a backup: what goes in comes out, and nothing else ever does."""

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatd.vault import MAGIC, MAX_DATA_BYTES, Cost, VaultUnreadable, VaultWriter, read_vault

CHEAP = Cost(1, 8)


def sealed(files: dict[str, bytes], passphrase: str = "open") -> bytes:
    file = io.BytesIO()
    vault = VaultWriter(file, passphrase, CHEAP)
    for name, data in files.items():
        vault.begin(name)
        vault.add(data)
    vault.finish()
    return file.getvalue()


def opened(data: bytes, passphrase: str = "open") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, piece in read_vault(io.BytesIO(data), passphrase):
        found[name] = found.get(name, b"") + piece
    return found


FILES = {"a": b"one", "b/c": b"x" * (2 * MAX_DATA_BYTES + 5), "empty": b""}


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.text("abc/.", min_size=1, max_size=9), st.binary(max_size=300), max_size=4))
def test_what_goes_in_comes_out(files: dict[str, bytes]) -> None:
    assert opened(sealed(files)) == files


def test_large_files_come_in_pieces() -> None:
    pieces = [piece for _, piece in read_vault(io.BytesIO(sealed(FILES)), "open")]
    assert max(map(len, pieces)) == MAX_DATA_BYTES
    assert opened(sealed(FILES)) == FILES


def test_nothing_in_it_can_be_read_without_the_passphrase() -> None:
    data = sealed({"secret name": b"secret text"})
    assert b"secret" not in data
    with pytest.raises(VaultUnreadable, match="passphrase is wrong"):
        opened(data, "Open")


def test_file_altered_anywhere_is_refused() -> None:
    whole = sealed({"a": b"one" * 50, "b": b"two" * 50})
    for place in range(len(whole)):
        if len(MAGIC) <= place < len(MAGIC) + 8:
            continue  # the cost: refused as well, by deriving another key, which may take long
        data = bytearray(whole)
        data[place] ^= 1
        with pytest.raises(VaultUnreadable):
            opened(bytes(data))


def test_cost_beyond_its_cap_is_refused_before_it_is_paid() -> None:
    whole = bytearray(sealed(FILES))
    whole[len(MAGIC)] = 0xFF
    with pytest.raises(VaultUnreadable, match="altered"):
        opened(bytes(whole))


def test_file_cut_short_anywhere_is_refused() -> None:
    whole = sealed({"a": b"one", "b": b"two"})
    for size in range(len(whole)):
        with pytest.raises(VaultUnreadable):
            opened(whole[:size])
    with pytest.raises(VaultUnreadable, match="altered"):
        opened(whole + b"x")


def test_frames_left_out_or_moved_are_refused() -> None:
    whole = sealed({"a": b"1" * 10, "b": b"2" * 10})
    head = len(MAGIC) + 24 + 24
    frames, place = [], head
    while place < len(whole):
        size = 4 + int.from_bytes(whole[place : place + 4], "big")
        frames.append(whole[place : place + size])
        place += size
    assert opened(whole[:head] + b"".join(frames))
    rng = random.Random(1)
    for _ in range(20):
        changed = frames[:]
        rng.shuffle(changed)
        if changed != frames:
            with pytest.raises(VaultUnreadable):
                opened(whole[:head] + b"".join(changed))
    for gone in range(len(frames)):
        with pytest.raises(VaultUnreadable):
            opened(whole[:head] + b"".join(frames[:gone] + frames[gone + 1 :]))


def test_other_files_are_refused() -> None:
    for data in (b"", b"hello", b"chatd-backup-9\n" + b"x" * 100):
        with pytest.raises(VaultUnreadable, match="not a backup"):
            opened(data)
