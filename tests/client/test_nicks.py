"""Names are decoration; keys tell people apart."""

from chatctl.nicks import MAX_NAMES, Nicks

ANN, OTHER = "k3f9" + "a" * 48, "zz27" + "b" * 48


def test_nick_stands_alone_while_one_key_has_it() -> None:
    assert Nicks().label(ANN, "ann") == "ann"


def test_nick_shows_its_key_once_another_key_has_it() -> None:
    nicks = Nicks()
    nicks.observe(OTHER, "ann")
    assert nicks.label(ANN, "ann") == "ann~k3f9"
    assert nicks.label(OTHER, "ann") == "ann~zz27"


def test_nick_that_only_looks_the_same_is_the_same() -> None:
    nicks = Nicks()
    nicks.observe(OTHER, "A\u200bＮn")
    assert nicks.label(ANN, "ann") == "ann~k3f9"


def test_nick_that_imitates_a_key_or_a_line_shows_its_key() -> None:
    assert Nicks().label(OTHER, "ann~k3f9") == "ann~k3f9~zz27"
    assert Nicks().label(OTHER, "bob: hi") == "bob: hi~zz27"


def test_nick_without_a_visible_character_is_its_key() -> None:
    assert Nicks().label(ANN, "\u200b") == ANN[:10]
    assert Nicks().label("", "") == "?"


def test_flood_of_nicks_is_forgotten() -> None:
    nicks = Nicks()
    for number in range(MAX_NAMES + 10):
        nicks.observe(ANN, f"name{number}")
    assert nicks.label(OTHER, "name0") == "name0"
