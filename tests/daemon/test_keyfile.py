"""Key files: made once, private, and never overwritten."""

import os
from pathlib import Path

import pytest

from chatcore.errors import BadKeyFile
from chatcore.identity import Identity
from chatd.keyfile import load_network_key, load_or_create_identity

SEED = b"k" * 32
KEY_TEXT = Identity(SEED).to_key_file()


def private(path: Path, data: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    path.chmod(mode)
    return path


def test_identity_is_made_once_and_read_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "identity.key"
    made, new = load_or_create_identity(path)
    again, still_new = load_or_create_identity(path)
    assert (new, still_new) == (True, False)
    assert made.peer_id == again.peer_id
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_identities_differ(tmp_path: Path) -> None:
    first, _ = load_or_create_identity(tmp_path / "a")
    second, _ = load_or_create_identity(tmp_path / "b")
    assert first.peer_id != second.peer_id


def test_identity_is_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        load_or_create_identity(tmp_path / "identity.key")
    finally:
        os.umask(old)
    assert (tmp_path / "identity.key").stat().st_mode & 0o777 == 0o600


def test_identity_half_written_by_a_dying_process_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "identity.key.new").write_text("chatd-ed25519-1 00")
    identity, new = load_or_create_identity(tmp_path / "identity.key")
    assert new
    assert load_or_create_identity(tmp_path / "identity.key")[0].peer_id == identity.peer_id
    assert not (tmp_path / "identity.key.new").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not a chatd key file"),
        ("hello", "not a chatd key file"),
        (KEY_TEXT[:60], "not a chatd key file"),
        (KEY_TEXT.replace(SEED.hex(), SEED.hex()[:-2]), "damaged"),
        (KEY_TEXT.replace(SEED.hex(), (b"l" * 32).hex()), "does not fit the peer id"),
        (b"\xff\xfe\x00", "not a key file"),
        (KEY_TEXT * 100, "not a key file"),
    ],
)
def test_corrupt_identity_is_refused_and_left_alone(tmp_path: Path, content: str | bytes, why: str) -> None:
    path = private(tmp_path / "identity.key", content)
    before = path.read_bytes()
    with pytest.raises(BadKeyFile, match=why) as caught:
        load_or_create_identity(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint
    assert path.read_bytes() == before
    assert SEED.hex() not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604, 0o601])
def test_identity_open_to_others_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "identity.key", KEY_TEXT, mode)
    with pytest.raises(BadKeyFile, match=rf"others on this machine.*mode {mode:04o}") as caught:
        load_or_create_identity(path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_identity_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="is a directory"):
        load_or_create_identity(tmp_path)


def test_identity_behind_a_dangling_link_is_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "identity.key").symlink_to(tmp_path / "unmounted" / "identity.key")
    with pytest.raises(BadKeyFile, match="no such file"):
        load_or_create_identity(tmp_path / "identity.key")


def test_identity_in_a_missing_folder_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="cannot be written") as caught:
        load_or_create_identity(tmp_path / "gone" / "identity.key")
    assert "--home" in caught.value.hint


@pytest.mark.parametrize("text", ["ab" * 32, "AB" * 32 + "\n", "  " + "0f" * 32 + " \n"])
def test_network_key_is_64_hexadecimal_digits(tmp_path: Path, text: str) -> None:
    assert load_network_key(private(tmp_path / "net.key", text)) == bytes.fromhex(text.strip())


@pytest.mark.parametrize(
    "text", ["", "ab" * 31, "ab" * 33, "zz" * 32, "ab " * 32, "ab" * 32 + "\n" + "cd" * 32]
)
def test_network_key_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadKeyFile, match="not 64 hexadecimal digits") as caught:
        load_network_key(private(tmp_path / "net.key", text))
    assert "openssl rand -hex 32" in caught.value.hint


def test_network_key_must_exist_and_be_private(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="no such file"):
        load_network_key(tmp_path / "net.key")
    with pytest.raises(BadKeyFile, match="mode 0644"):
        load_network_key(private(tmp_path / "net.key", "ab" * 32, 0o644))
