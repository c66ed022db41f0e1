"""Several comings and goings make one line."""

from chatctl.repl.folding import MAX_NAMES, MAX_WAITING, WINDOW_S, Folding, Movement


def moved(name: str, kind: str, where: str = "#tea") -> Movement:
    return Movement(where, f"key of {name}", kind, name, f"{name} {kind} {where}")


def folded(*movements: Movement) -> list[str]:
    folding = Folding()
    for movement in movements:
        folding.add(movement, 0.0)
    return folding.flush()


def test_one_movement_keeps_its_own_words() -> None:
    assert folded(moved("bob", "joined")) == ["bob joined #tea"]


def test_several_are_one_line_of_what_came_of_them() -> None:
    lines = folded(
        moved("bob", "joined"),
        moved("carl", "joined"),
        moved("dora", "left"),
        moved("ed", "lost"),
        moved("fay", "joined"),
        moved("fay", "left"),
        moved("gil", "left"),
        moved("gil", "joined"),
    )
    told = "; ".join(lines).split("; ")
    assert told == [
        "#tea came in: bob, carl",
        "left: dora",
        "gone without a word: ed",
        "came and went: fay",
        "went and came back: gil",
    ]
    assert len(lines) == 1


def test_somebody_who_only_blinked_is_one_line_too() -> None:
    assert folded(moved("bob", "lost"), moved("bob", "joined")) == ["#tea went and came back: bob"]


def test_rooms_and_links_are_told_apart() -> None:
    assert folded(moved("bob", "up", ""), moved("bob", "joined"), moved("carl", "down", "")) == [
        "linked: bob; link lost: carl",
        "bob joined #tea",
    ]


def test_crowd_is_counted() -> None:
    crowd = [moved(f"n{number}", "joined") for number in range(MAX_NAMES + 3)]
    (line,) = folded(*crowd)
    assert line.endswith(f"n{MAX_NAMES - 1} and 3 more")


def test_first_movement_sets_the_time_and_a_flush_clears_it() -> None:
    folding = Folding()
    assert folding.due is None
    folding.add(moved("bob", "joined"), 10.0)
    folding.add(moved("carl", "joined"), 11.0)
    assert folding.due == 10.0 + WINDOW_S
    assert folding.concerns("key of bob")
    assert not folding.concerns("key of dora")
    assert len(folding.flush()) == 1
    assert folding.due is None
    assert folding.flush() == []
    assert not folding.concerns("key of bob")


def test_flood_is_told_at_once() -> None:
    folding = Folding()
    for number in range(MAX_WAITING):
        folding.add(moved(f"n{number}", "joined"), 5.0)
    assert folding.due == 5.0


def test_links_are_forgotten_when_our_own_end_is_gone() -> None:
    folding = Folding()
    folding.add(moved("bob", "joined"), 10.0)
    folding.add(Movement("", "key of carl", "down", "carl", "lost carl"), 10.0)
    folding.forget_links()
    assert len(folding.flush()) == 1
    folding.add(Movement("", "key of carl", "down", "carl", "lost carl"), 10.0)
    folding.forget_links()
    assert folding.due is None
