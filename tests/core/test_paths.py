"""Where a node keeps what."""

import dataclasses

import pytest

from chatcore.paths import Paths


def test_home_keeps_everything_in_one_folder() -> None:
    assert Paths.resolve("/n", {"HOME": "/home/ann"}) == Paths(
        config="/n/config.toml",
        key="/n/identity.key",
        store="/n/store",
        lock="/n/chatd.lock",
        socket="/n/chatd.sock",
        chat="/n/chat.json",
    )


def test_home_of_the_environment_serves_when_none_is_given() -> None:
    assert Paths.resolve(None, {"CHATD_HOME": "/e"}) == Paths.resolve("/e", {})
    assert Paths.resolve("/n", {"CHATD_HOME": "/e"}) == Paths.resolve("/n", {})


@pytest.mark.parametrize(
    ("home", "socket"), [("/n/", "/n/chatd.sock"), ("/", "//chatd.sock"), ("n", "n/chatd.sock")]
)
def test_slash_at_the_end_of_home_is_taken_off(home: str, socket: str) -> None:
    assert Paths.resolve(home, {}).socket == socket


def test_without_home_each_kind_has_its_xdg_place() -> None:
    environ = {
        "HOME": "/home/ann",
        "XDG_CONFIG_HOME": "/c",
        "XDG_DATA_HOME": "/d",
        "XDG_STATE_HOME": "/s",
        "XDG_RUNTIME_DIR": "/r",
    }

    assert Paths.resolve(None, environ) == Paths(
        config="/c/chatd/config.toml",
        key="/d/chatd/identity.key",
        store="/d/chatd/store",
        lock="/d/chatd/chatd.lock",
        socket="/r/chatd/chatd.sock",
        chat="/s/chatd/chat.json",
    )


def test_empty_variables_count_as_unset() -> None:
    environ = dict.fromkeys(
        ["CHATD_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"], ""
    )

    assert Paths.resolve(None, {"HOME": "/home/ann", **environ}) == Paths.resolve(None, {"HOME": "/home/ann"})
    assert Paths.resolve("", {"HOME": "/home/ann"}).socket == "/home/ann/.local/state/chatd/chatd.sock"
    assert Paths.resolve(None, {"HOME": "/home/ann"}).config == "/home/ann/.config/chatd/config.toml"


def test_every_path_is_absolute_even_without_any_home() -> None:
    assert all(path.startswith("/") for path in dataclasses.astuple(Paths.resolve(None, {})))
