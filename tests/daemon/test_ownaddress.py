"""Which addresses lead back to a daemon, known without dialling them."""

import pytest

from chatd import ownaddress
from chatd.ownaddress import is_own

EVERYWHERE = ("0.0.0.0:8080",)
BOTH = ("0.0.0.0:8080", "[::]:8080")


@pytest.fixture(autouse=True)
def _hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownaddress, "own_hosts", lambda: ["192.0.2.1", "2001:db8::1"])


@pytest.mark.parametrize(
    ("address", "listening", "own"),
    [
        ("127.0.0.1:8080", ("127.0.0.1:8080",), True),
        ("localhost:8080", ("127.0.0.1:8080",), True),
        ("localhost:8080", ("[::1]:8080",), True),
        ("127.0.0.1:8081", ("127.0.0.1:8080",), False),
        ("127.0.0.2:8080", ("127.0.0.1:8080",), False),
        ("127.0.0.2:8080", EVERYWHERE, True),
        ("192.0.2.1:8080", EVERYWHERE, True),
        ("192.0.2.2:8080", EVERYWHERE, False),
        ("192.0.2.1:8080", ("127.0.0.1:8080",), False),
        ("[::1]:8080", EVERYWHERE, False),
        ("[::1]:8080", BOTH, True),
        ("[2001:db8::1]:8080", BOTH, True),
        ("[2001:db8::2]:8080", BOTH, False),
        ("0.0.0.0:8080", EVERYWHERE, True),
        ("friend.example:8080", BOTH, False),
        ("127.0.0.1:8080", (), False),
    ],
)
def test_address_is_own_where_this_node_listens(address: str, listening: tuple[str, ...], own: bool) -> None:
    assert is_own(address, listening) is own
