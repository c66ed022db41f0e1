"""What an IP address says of where somebody lives."""

import pytest

from chatcore.addresses import (
    Scope,
    group_at,
    group_of,
    home_of,
    host_of,
    is_everywhere,
    nearness,
    network_of,
    pack_address,
    scope_at,
    scope_of,
    unpack_address,
)


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("127.0.0.1", Scope.LOOPBACK),
        ("127.8.8.8", Scope.LOOPBACK),
        ("::1", Scope.LOOPBACK),
        ("::ffff:127.0.0.1", Scope.LOOPBACK),
        ("10.1.2.3", Scope.LAN),
        ("172.31.0.1", Scope.LAN),
        ("192.168.1.1", Scope.LAN),
        ("100.64.0.1", Scope.LAN),
        ("169.254.1.1", Scope.LAN),
        ("fd00::1", Scope.LAN),
        ("::ffff:192.168.1.1", Scope.LAN),
        ("172.32.0.1", Scope.GLOBAL),
        ("192.0.2.1", Scope.GLOBAL),
        ("2001:db8::1", Scope.GLOBAL),
        ("0.0.0.0", None),
        ("::", None),
        ("224.0.0.1", None),
        ("255.255.255.255", None),
        ("ff02::1", None),
        ("fe80::1", None),
        ("a.example", None),
        ("", None),
    ],
)
def test_address_has_the_scope_from_which_it_can_be_reached(host: str, scope: Scope | None) -> None:
    assert scope_of(host) is scope


@pytest.mark.parametrize(
    ("host", "scope"),
    [("fe80::1%eth0", Scope.LAN), ("10.0.0.1", Scope.LAN), ("unknown", Scope.GLOBAL), ("::", Scope.GLOBAL)],
)
def test_end_of_a_link_is_far_away_unless_it_shows_that_it_is_near(host: str, scope: Scope) -> None:
    assert nearness(host) is scope


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1:1", "192.0.9.9:2", True),
        ("192.0.2.1:1", "192.1.2.1:1", False),
        ("192.0.2.1:1", "[::ffff:192.0.7.7]:1", True),
        ("[2001:db8::1]:1", "[2001:db8:9::1]:1", True),
        ("[2001:db8::1]:1", "[2001:db9::1]:1", False),
        ("10.0.0.1:1", "10.0.0.2:1", False),
        ("127.0.0.1:1", "127.0.0.1:2", True),
        ("a.example:1", "b.example:1", False),
    ],
)
def test_addresses_of_one_network_are_one_group(one: str, other: str, same: bool) -> None:
    assert (group_at(one) == group_at(other)) is same


def test_network_is_the_group_for_people() -> None:
    assert network_of("8.8.8.8") == network_of("8.8.4.4") == "8.8.0.0/16"
    assert network_of("2606:4700:1::1") == network_of("2606:4700:2::1") == "2606:4700::/32"
    assert [network_of(host) for host in ("10.0.0.1", "friend.example")] == ["10.0.0.1", "friend.example"]


def test_groups_of_both_families_are_distinct() -> None:
    assert len({group_of(host) for host in ("32.1.0.1", "2001:db8::1")}) == 2


@pytest.mark.parametrize("address", ["192.0.2.1:8080", "[2001:db8::1]:1", "127.0.0.1:65535"])
def test_address_survives_packing(address: str) -> None:
    packed = pack_address(address)

    assert len(packed) in {6, 18}
    assert unpack_address(packed) == address


def test_name_is_not_packed() -> None:
    with pytest.raises(ValueError, match="a name"):
        pack_address("a.example:1")


@pytest.mark.parametrize("packed", [b"", bytes(3), bytes(5), bytes(10) + b"\xff\xff" + bytes(4)])
def test_host_of_other_bytes_is_none(packed: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - ipaddress says it in its own words
        host_of(packed)


def test_far_end_of_a_stream_may_have_any_port() -> None:
    assert scope_at("[fd00::1]:0") is Scope.LAN
    assert scope_at("unknown:0") is None


def test_only_unspecified_addresses_are_everywhere() -> None:
    assert [is_everywhere(host) for host in ("0.0.0.0", "::", "127.0.0.1", "a.example")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ],
)
def test_home_is_an_ipv4_address_or_64_bits(one: str, other: str, same: bool) -> None:
    assert home_of(one) is not None
    assert (home_of(one) == home_of(other)) is same


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd00::1", "fe80::1", "a.example"]
)
def test_what_many_may_share_is_nobodys_home(host: str) -> None:
    assert home_of(host) is None
