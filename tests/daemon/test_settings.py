"""Settings: who wins, what each source may say, and what is said about a wrong one."""

import os
from pathlib import Path
from typing import Any

import click
import pytest

from chatcore.addressbook import MAX_KEPT
from chatcore.errors import BadAddress, BadName, LocalError
from chatctl.place import locate
from chatd import settings
from chatd.main import command
from chatd.settings import MAX_CONFIG_BYTES, BadSettings, Settings


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose folders are all under `tmp_path`, with nothing set."""
    for name in list(os.environ):
        if name.startswith(("CHATD_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def load(*argv: str) -> Settings:
    context = command.make_context("chatd", list(argv))
    return settings.load(context, dict(context.params))


def toml(folder: Path, text: str | bytes) -> Path:
    path = folder / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# Each kind of flag: what the TOML file, the environment and the command line say, and how it reads.
KINDS: list[tuple[str, Any, Any, Any, Any]] = [
    ("host", "0.0.0.0", ("'127.0.0.1'", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("::1", "::1")),
    ("port", 8080, ("1", 1), ("2", 2), ("3", 3)),
    ("persist", True, ("false", False), ("true", True), (False, False)),
    ("mdns", True, ("false", False), ("yes", True), (False, False)),
    ("log_level", "info", ("'debug'", "debug"), ("warning", "warning"), ("error", "error")),
    ("log_format", "auto", ("'json'", "json"), ("console", "console"), ("json", "json")),
    ("node.network", "main", ("'a'", "a"), ("b", "b"), ("c", "c")),
    ("node.username", None, ("'Ann'", "Ann"), ("Bob", "Bob"), ("Cy", "Cy")),
    (
        "node.bootstrap",
        (),
        ("['a:1', 'B:2']", ("a:1", "b:2")),
        ("c:3 d:4", ("c:3", "d:4")),
        ("e:5", ("e:5",)),
    ),
    ("node.link.max_peers", 50, ("5", 5), ("6", 6), ("7", 7)),
    ("node.gossip.fanout", 8, ("5", 5), ("6", 6), ("7", 7)),
    ("node.gossip.ttl", 16, ("5", 5), ("6", 6), ("7", 7)),
]


@pytest.mark.parametrize("kind", KINDS, ids=[kind[0] for kind in KINDS])
def test_flag_beats_environment_beats_file_beats_default(
    user: Path, monkeypatch: pytest.MonkeyPatch, kind: tuple[str, Any, Any, Any, Any]
) -> None:
    where, default, in_file, in_environ, on_line = kind
    name = where.rpartition(".")[2]
    flag = name.replace("_", "-")

    def value(*argv: str) -> Any:
        found: Any = load(*argv)
        for part in where.split("."):
            found = getattr(found, part)
        return found

    if default is not None:
        assert value() == default
    config = ("--config", str(toml(user, f"{flag} = {in_file[0]}")))
    assert value(*config) == in_file[1]
    monkeypatch.setenv(f"CHATD_{name.upper()}", in_environ[0])
    assert value(*config) == in_environ[1]
    given = ("--no-" + flag,) if on_line[0] is False else (f"--{flag}", str(on_line[0]))
    assert value(*config, *given) == on_line[1]


def test_username_is_the_login_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    assert load().node.username == "grace"


def test_paths_may_come_from_every_source(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = toml(user, "db-path = '/file/store'\nnetwork-key = '/file/k'\n")
    found = load("--config", str(file))
    assert (found.paths.store, found.network_key) == ("/file/store", Path("/file/k"))
    monkeypatch.setenv("CHATD_DB_PATH", "/environ/store")
    assert load("--config", str(file)).paths.store == "/environ/store"
    assert load("--config", str(file), "--db-path", "/line/store").paths.store == "/line/store"


@pytest.mark.parametrize("environ", [{}, {"CHATD_SOCKET": "/es"}, {"CHATD_HOME": "/eh"}, None])
@pytest.mark.parametrize("home", [None, "/h", "/h/"])
@pytest.mark.parametrize("socket", [None, "/s"])
def test_socket_is_where_clients_with_the_same_flags_look(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str] | None, home: str | None, socket: str | None
) -> None:
    environ = {"CHATD_SOCKET": "/es", "CHATD_HOME": "/eh"} if environ is None else environ
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    argv = [
        *(["--home", home] if home is not None else []),
        *(["--socket", socket] if socket is not None else []),
    ]
    assert load(*argv).paths.socket == locate(home, socket, os.environ).socket


@pytest.mark.parametrize("flag", ["home", "socket", "config", "db-path", "network-key"])
def test_empty_path_is_refused(user: Path, flag: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        load(f"--{flag}", "")
    assert (
        caught.value.format_message() == f"Invalid value for '--{flag}': it is empty; name a file or a folder"
    )
    if flag in ("db-path", "network-key"):
        file = toml(user, f"{flag} = ''")
        with pytest.raises(BadSettings, match=f"{flag}: it is empty; name a file or a folder"):
            load("--config", str(file))


@pytest.mark.parametrize("flag", ["home", "socket", "config", "db_path", "network_key"])
def test_empty_path_in_the_environment_is_unset(monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    usual = load()
    monkeypatch.setenv(f"CHATD_{flag.upper()}", "")
    assert load() == usual


def test_home_on_the_command_line_beats_a_socket_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATD_SOCKET", "/es")
    assert load("--home", "/h").paths.socket == "/h/chatd.sock"
    assert load("--home", "/h", "--socket", "/s").paths.socket == "/s"
    monkeypatch.setenv("CHATD_HOME", "/eh")
    assert load().paths.socket == "/es"
    assert load().paths.lock == "/eh/chatd.lock"


def test_files_are_in_their_xdg_folders(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load().paths
    assert found.config == f"{user}/.config/chatd/config.toml"
    assert found.key == f"{user}/.local/share/chatd/identity.key"
    assert found.store == f"{user}/.local/share/chatd/store"
    assert found.socket == f"{user}/.local/state/chatd/chatd.sock"
    for name in ("CONFIG_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR"):
        monkeypatch.setenv(f"XDG_{name}", f"/x/{name.lower()}")
    found = load().paths
    assert found.config == "/x/config_home/chatd/config.toml"
    assert found.key == "/x/data_home/chatd/identity.key"
    assert found.lock == "/x/data_home/chatd/chatd.lock"
    assert found.socket == "/x/runtime_dir/chatd/chatd.sock"


def test_home_keeps_everything_in_one_folder(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/elsewhere")
    home = user / "one"
    home.mkdir()
    toml(home, "port = 7")
    for found in (load("--home", str(home)), load("--home", f"{home}/")):
        assert found.port == 7
        assert found.paths.key == f"{home}/identity.key"
        assert found.paths.store == f"{home}/store"
        assert found.paths.socket == f"{home}/chatd.sock"
    monkeypatch.setenv("CHATD_HOME", str(home))
    assert load().port == 7
    assert load().paths.lock == f"{home}/chatd.lock"


def test_file_is_optional_where_it_is_expected_and_read_from_there(user: Path) -> None:
    assert load().port == 8080
    folder = user / ".config" / "chatd"
    folder.mkdir(parents=True)
    toml(folder, "port = 9")
    assert load().port == 9


def test_file_may_be_empty(user: Path) -> None:
    assert load("--config", str(toml(user, ""))).port == 8080


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1", r"unknown key 'prot'"),
        ("home = '/x'", r"unknown key 'home'"),
        ("socket = '/x'", r"unknown key 'socket'"),
        ("[chatd]\nport = 1", r"unknown key 'chatd'"),
        ("port = '1'", r"port must be of type int"),
        ("port = true", r"port must be of type int"),
        ("port = 1.5", r"port must be of type int"),
        ("port = [1]", r"port must be a single value"),
        ("port = 70000", r"port: 70000 is not in the range 0<=x<=65535"),
        ("port = -1", r"port: -1 is not in the range"),
        ("max-peers = 0", r"max-peers: 0 is not in the range"),
        ("fanout = 101", r"fanout: 101 is not in the range"),
        ("ttl = 0", r"ttl: 0 is not in the range"),
        ("persist = 1", r"persist must be of type bool"),
        ("persist = 'no'", r"persist must be of type bool"),
        ("username = 5", r"username must be of type str"),
        ("bootstrap = 'a:1'", r"bootstrap must be a list"),
        ("bootstrap = [1]", r"bootstrap must be of type str"),
        ("network = {a = 1}", r"network must be a single value"),
        ("log-level = 'loud'", r"log-level: 'loud' is not one of"),
        ("port =", r"not valid TOML"),
        ("port = 1\nport = 2", r"not valid TOML"),
        (b"port = 1 # \xff", r"not valid TOML"),
        ("a = " + "[" * 20_000, r"not valid TOML"),
        ("#" * (MAX_CONFIG_BYTES + 1), r"over 262144 bytes"),
    ],
)
def test_file_with_a_mistake_is_refused_by_its_name(user: Path, text: str | bytes, says: str) -> None:
    path = toml(user, text)
    with pytest.raises(BadSettings, match=says) as caught:
        load("--config", str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_file_with_an_unknown_key_is_told_the_known_ones(user: Path) -> None:
    with pytest.raises(BadSettings) as caught:
        load("--config", str(toml(user, "prot = 1")))
    known = caught.value.hint.removeprefix("known are: ").split(", ")
    assert {"port", "bootstrap", "network-key", "log-level", "[chat]"} <= set(known)
    assert not {"home", "socket", "config", "help", "version"} & set(known)


def test_mistake_in_the_file_is_told_even_where_a_flag_overrides_the_rest(user: Path) -> None:
    with pytest.raises(BadSettings, match="unknown key"):
        load("--config", str(toml(user, "prot = 1")), "--port", "3")


def test_file_that_is_named_must_exist(user: Path) -> None:
    with pytest.raises(BadSettings, match="no such file") as caught:
        load("--config", str(user / "gone.toml"))
    assert caught.value.hint == "check --config"


def test_file_that_cannot_be_read_is_refused(user: Path) -> None:
    with pytest.raises(BadSettings, match="is a directory"):
        load("--config", str(user))


@pytest.mark.parametrize(
    "name", ["", " ann", "ann ", "a\nb", "a\x1b[2J", "x" * 65, "é" * 33, "a\u202eb", "\udcff", "\t"]
)
def test_username_that_cannot_be_shown_is_refused(name: str, user: Path) -> None:
    with pytest.raises(BadName, match="is not a user name"):
        load("--username", name)


@pytest.mark.parametrize("name", ["x" * 64, "é" * 32, "Zoë 東京", "a b"])
def test_username_of_any_script_is_taken(name: str) -> None:
    assert load("-u", name).node.username == name


@pytest.mark.parametrize("name", ["", "Main", "a b", "x" * 65, "é", "a/b"])
def test_network_name_outside_its_alphabet_is_refused(name: str) -> None:
    with pytest.raises(BadName, match="is not a network name"):
        load("--network", name)


@pytest.mark.parametrize(
    "address", ["", "host", "host:", "host:0", "host:65536", ":80", "::1:80", "a b:80", "h:x"]
)
def test_bootstrap_that_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddress) as caught:
        load("--bootstrap", address)
    assert "HOST:PORT" in caught.value.hint


def test_bootstrap_may_be_given_often_and_is_spelled_one_way() -> None:
    found = load("--bootstrap", "Friend.Example:80", "--bootstrap", "[2001:DB8::0:1]:81")
    assert found.node.bootstrap == ("friend.example:80", "[2001:db8::1]:81")


def test_bootstrap_addresses_beyond_what_a_node_keeps_are_refused_with_the_number() -> None:
    def asking(count: int) -> list[str]:
        return [word for number in range(count) for word in ("--bootstrap", f"a{number}.example:1")]

    assert len(load(*asking(MAX_KEPT), "--bootstrap", "A0.example:1").node.bootstrap) == MAX_KEPT
    with pytest.raises(
        BadSettings, match=rf"^--bootstrap: {MAX_KEPT + 1} addresses, {MAX_KEPT} are"
    ) as caught:
        load(*asking(MAX_KEPT + 1))
    assert caught.value.hint


def test_socket_path_the_system_cannot_take_names_the_flag(user: Path) -> None:
    assert load("--socket", "/" + "s" * 106).paths.socket
    for argv in (["--socket", "/" + "s" * 107], ["--socket", "/" + "é" * 54], ["--home", "/" + "h" * 100]):
        with pytest.raises(BadSettings, match="the system takes 107") as caught:
            load(*argv)
        assert caught.value.hint == "choose a shorter one with --socket"


def test_version_and_help_in_the_environment_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATD_VERSION", "1.2.3")
    monkeypatch.setenv("CHATD_HELP", "1")
    assert load().port == 8080


def test_every_wrong_setting_is_a_local_error_with_a_hint() -> None:
    for argv in (["--network", "?"], ["--bootstrap", "?"], ["--username", "\n"]):
        with pytest.raises(LocalError) as caught:
            load(*argv)
        assert caught.value.hint


# Amounts


@pytest.mark.parametrize(
    ("text", "ms"),
    [("1d", 86_400_000), ("8w", 56 * 86_400_000), ("6m", 180 * 86_400_000), ("1y", 365 * 86_400_000)],
)
def test_retain_takes_days_weeks_months_and_years(user: Path, text: str, ms: int) -> None:
    assert load("--retain", text).policy.retain_ms == ms
    file = toml(user, f"retain = '{text}'\nmax-store = '100MiB'\n")
    found = load("--config", str(file)).policy
    assert (found.retain_ms, found.most_bytes) == (ms, 100 * 2**20)
    again = load("--config", str(file), "--retain", "forever", "--max-store", "unlimited").policy
    assert (again.retain_ms, again.most_bytes) == (None, None)


def test_store_is_limited_to_2_gib_by_default() -> None:
    assert load().policy.retain_ms is None
    assert load().policy.most_bytes == 2 * 2**30


@pytest.mark.parametrize("text", ["", "90", "0d", "-1d", "1h", "9999999d", "d", "1.5d", "90 days"])
def test_retain_says_how_to_write_a_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write 90d, 8w, 6m, 1y or forever"):
        load("--retain", text)


@pytest.mark.parametrize("text", ["", "2", "2GB", "2gib", "1.5GiB", "-1GiB"])
def test_max_store_says_how_to_write_a_size(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write 500MiB, 2GiB or unlimited"):
        load("--max-store", text)


@pytest.mark.parametrize("text", ["63MiB", "2TiB"])
def test_max_store_has_its_range(user: Path, text: str) -> None:
    with pytest.raises(click.BadParameter, match="not in the range 64MiB to 1TiB"):
        load("--max-store", text)
    with pytest.raises(BadSettings, match="not in the range"):
        load("--config", str(toml(user, f"max-store = '{text}'")))


def test_table_of_the_repl_is_left_to_it(user: Path) -> None:
    path = toml(user, "port = 5\n[chat]\nbell = false\n[chat.theme]\nprompt = 'red'\n")
    assert load("--config", str(path)).port == 5
    with pytest.raises(BadSettings, match="unknown key 'chat'"):
        load("--config", str(toml(user, "chat = 1\n")))
