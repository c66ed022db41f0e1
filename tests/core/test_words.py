"""Texts as words: what is the same to a search, and where it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore import words
from chatcore.words import (
    MAX_KNOWN_CHARS,
    MAX_WORD_CHARS,
    MAX_WORDS_PER_MESSAGE,
    Words,
    fold_name,
    parse,
    places_of,
    words_of,
)

FOLDED = [
    ("Hello, World!", ["hello", "world"]),
    ("don't re-enter x_y", ["don", "t", "re", "enter", "x", "y"]),
    ("Straße", ["strasse"]),
    ("STRASSE", ["strasse"]),
    ("caf\u00e9", ["cafe"]),
    ("cafe\u0301", ["cafe"]),
    ("ÅNGSTRÖM \u212b", ["angstrom", "a"]),
    ("\u0130stanbul", ["istanbul"]),
    ("ΣΊΣΥΦΟΣ Σίσυφος", ["σισυφοσ"]),
    ("Привет ЁЖ ёж", ["привет", "еж"]),
    ("ﬁne ＦＵＬＬ １２ x²", ["fine", "full", "12", "x2"]),
    ("٣ ३", ["٣", "३"]),
    ("日本語", ["日本", "本語", "語"]),
    ("日", ["日"]),
    ("chat日本gpt", ["chat", "日本", "本", "gpt"]),
    ("がか", ["がか", "か"]),
    ("か\u3099か", ["がか", "か"]),
    ("カフェ", ["カフ", "フェ", "ェ"]),
    ("한국어 말", ["한국어", "말"]),
    ("สวัสดี", ["สว", "วั", "ัส", "สด", "ดี", "ี"]),
    ("हिन्दी में", ["हिनदी", "में"]),
    ("שָׁלוֹם مُحَمَّد", ["שלום", "محمد"]),
    ("🎉party🎉 👍🏽 ❤\ufe0f", ["🎉", "party", "👍", "❤"]),
    ("a\u200bb \u202ec\x07d", ["a", "b", "c", "d"]),
    ("", []),
    ("... --- !?", []),
]


@pytest.mark.parametrize(("text", "found"), FOLDED)
def test_text_is_split_into_folded_words(text: str, found: list[str]) -> None:
    assert words_of(text) == found


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("STRASSE", "die Straße"),
        ("straße", "STRASSE"),
        ("cafe\u0301", "Caf\u00e9"),
        ("σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("本語", "日本語です"),
        ("日本語です", "は日本語ですか"),
        ("本", "日本語"),
        ("語", "日本語"),
        ("hel*", "Hello"),
        ("hel* wor*", "world, hello"),
        ("don't", "Don't!"),
        ("don'*", "don't"),
        ("🎉", "hooray🎉"),
        ("x" * 100, "x" * 100),
        ("한국*", "한국어"),
    ],
)
def test_query_finds_text(query: str, text: str) -> None:
    assert parse(query).are_in(text)
    assert places_of(parse(query), text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("hel", "hello"),
        ("ello", "hello"),
        ("hello world", "hello"),
        ("hel* xyz*", "hello"),
        ("日語", "日本 本語"),
        ("日本語", "日本と本語"),
        ("か", "がが"),
        ("hel *", "hello"),
    ],
)
def test_query_does_not_find_text(query: str, text: str) -> None:
    assert not parse(query).are_in(text)


@pytest.mark.parametrize("query", ["", " ", "*", "!!", "\x00\x1b", "* * *", "\u200b"])
def test_query_without_a_word_is_empty(query: str) -> None:
    assert len(parse(query)) == 0


def test_query_says_each_thing_once() -> None:
    assert parse("Tea tea TEA* tea* 日本 日本") == Words(("tea", "日本"), ("tea",), ("日本",))


def test_long_text_gives_so_many_words_and_no_more() -> None:
    found = words_of(" ".join(f"w{number}" for number in range(MAX_WORDS_PER_MESSAGE + 10)))
    assert len(found) == MAX_WORDS_PER_MESSAGE
    assert found[0] == "w0"


def test_long_word_is_cut_the_same_in_text_and_query() -> None:
    for word in ("x" * 1000, "é" * 1000):
        assert [len(found) for found in words_of(word)] == [MAX_WORD_CHARS]
        assert parse(word).exact == tuple(words_of(word))


def test_name_is_one_word() -> None:
    assert fold_name(" Zoë  van  Dam ") == "zoe van dam"
    assert fold_name("Zoë-x") == fold_name("zoe_x") == "zoe x"
    assert fold_name("!!!") == "!!!"


def test_places_are_those_of_the_text_as_it_was_written() -> None:
    text = "Die STRASSE, cafe\u0301s und CAFÉ: 日本語!"
    found = [text[start:end] for start, end in places_of(parse("straße caf* 本語"), text)]
    assert found == ["STRASSE", "cafe\u0301s", "CAFÉ", "本語"]


def test_seldom_characters_are_not_remembered_for_ever() -> None:
    for number in range(0x20000, 0x20000 + 2 * MAX_KNOWN_CHARS):
        words_of(chr(number))
    assert len(words._FATES) <= MAX_KNOWN_CHARS


@given(st.text(max_size=80))
def test_every_word_of_a_text_finds_it(text: str) -> None:
    for word in words_of(text):
        assert word == word.casefold() or not word.isascii()
        assert parse(word).are_in(text), word


@given(st.text(max_size=40), st.text(max_size=20))
def test_places_are_in_order_and_within_the_text(text: str, query: str) -> None:
    end_before = 0
    for start, end in places_of(parse(query), text):
        assert end_before <= start < end <= len(text)
        end_before = end
