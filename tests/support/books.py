"""Address books to try things on, and addresses to fill them with."""

import random
from collections.abc import Iterable

from chatcore.addressbook import AddressBook
from chatcore.config import LinkConfig
from tests.support.core import identity, signed

HERE = "192.0.2.1:1"
THERE = "198.51.100.1:1"
TELLER = b"group"
SECRET = bytes(range(32))


def a_book(seed: int = 1) -> AddressBook:
    return AddressBook(LinkConfig(), random.Random(seed), SECRET)


def learned(
    book: AddressBook, numbers: Iterable[int], source: bytes = TELLER, *, spread: bool = True
) -> list[str]:
    """Addresses of as many peers, each in a group of its own or all in one; those that are in the book."""
    addresses = []
    for number in numbers:
        high, low = divmod(number, 250)
        address = f"{20 + high}.{low}.0.1:1" if spread else f"20.20.{high}.{low + 1}:1"
        book.learn(signed(identity(number + 1), address), source)
        addresses.append(address)
    return [address for address in addresses if book.peer_at(address) is not None]


def is_tried(book: AddressBook, address: str) -> bool:
    return address in book._tables._tried
