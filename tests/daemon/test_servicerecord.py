"""What is said on the local network, and who recognises what in it."""

from chatcore.ids import PeerId
from chatd.servicerecord import Announcement, ServiceRecord

ANN = PeerId(b"a" * 32)
BOB = PeerId(b"b" * 32)
KEY = b"k" * 32


def heard(record: ServiceRecord, **changed: str | None) -> Announcement:
    txt = {
        key.encode(): None if value is None else value.encode()
        for key, value in {**record.txt, **changed}.items()
    }
    return Announcement(record.instance, ("192.0.2.1",), 8080, txt)


def test_members_of_a_network_recognise_each_other() -> None:
    ann, bob = ServiceRecord("main", None, ANN), ServiceRecord("main", None, BOB)
    assert ann.is_same_network(heard(bob))
    assert not ann.is_own(heard(bob))


def test_other_name_key_or_version_is_another_network() -> None:
    ann = ServiceRecord("main", KEY, ANN)
    others = [
        ServiceRecord("main", None, BOB),
        ServiceRecord("main", b"x" * 32, BOB),
        ServiceRecord("m", KEY, BOB),
    ]
    assert not any(ann.is_same_network(heard(other)) for other in others)
    assert ann.is_same_network(heard(ServiceRecord("main", KEY, BOB)))
    assert not ann.is_same_network(heard(ServiceRecord("main", KEY, BOB), v="2"))


def test_record_with_fields_missing_or_empty_is_nobodys() -> None:
    ann = ServiceRecord("main", None, ANN)
    assert not ann.is_same_network(Announcement(ann.instance, (), 8080, {}))
    assert not ann.is_same_network(heard(ann, net=None))
    assert not ann.is_own(Announcement("f" * 16, (), 8080, {b"id": None}))


def test_tags_copied_to_another_name_say_nothing() -> None:
    ann, bob = ServiceRecord("main", None, ANN), ServiceRecord("main", None, BOB)
    for name in ("0" * 16, "somebody's printer", ""):
        assert not ann.is_same_network(Announcement(name, (), 8080, heard(bob).txt))


def test_node_recognises_itself_also_from_before_a_restart() -> None:
    before, after = ServiceRecord("main", None, ANN), ServiceRecord("main", None, ANN)
    assert after.is_own(heard(after))
    assert after.is_own(heard(before))


def test_two_records_of_one_node_share_nothing_that_shows_it() -> None:
    first, second = ServiceRecord("main", None, ANN), ServiceRecord("main", None, ANN)
    assert first.instance != second.instance
    assert first.txt["v"] == second.txt["v"]
    assert first.txt["net"] != second.txt["net"]
    assert first.txt["id"] != second.txt["id"]
