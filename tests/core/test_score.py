"""What a peer's score is made of, and how it fades."""

from chatcore.score import (
    BAR,
    BROKEN_PROMISE,
    HALF_LIFE_S,
    MAX_LATE,
    MAX_SCORES,
    MAX_USEFUL,
    WEIGHTS,
    Scores,
)
from tests.support.core import ANN, BOB, identity


def test_stranger_has_no_score() -> None:
    assert Scores().score(BOB.peer_id, 0.0) == 0


def test_useful_deliveries_count_up_to_a_cap() -> None:
    scores = Scores()
    for _ in range(1000):
        scores.praise(BOB.peer_id, 0.0)
    assert scores.score(BOB.peer_id, 0.0) == MAX_USEFUL
    assert scores.score(ANN.peer_id, 0.0) == 0


def test_everything_fades_by_half_and_by_half_again() -> None:
    scores = Scores()
    scores.blame(BOB.peer_id, BROKEN_PROMISE, 0.0)
    assert scores.score(BOB.peer_id, HALF_LIFE_S) == -WEIGHTS[BROKEN_PROMISE] / 2
    assert scores.score(BOB.peer_id, 2 * HALF_LIFE_S) == -WEIGHTS[BROKEN_PROMISE] / 4


def test_late_messages_alone_never_reach_the_bar() -> None:
    """Our own clock may be the wrong one."""
    scores = Scores()
    for _ in range(10_000):
        scores.blame(BOB.peer_id, "future", 0.0)
        scores.blame(BOB.peer_id, "stale", 0.0)
    assert scores.score(BOB.peer_id, 0.0) == -MAX_LATE > BAR


def test_second_forged_message_is_one_too_many_whatever_good_was_done() -> None:
    scores = Scores()
    for _ in range(1000):
        scores.praise(BOB.peer_id, 0.0)
    scores.blame(BOB.peer_id, "bad_signature", 0.0)
    assert scores.score(BOB.peer_id, 0.0) > BAR
    scores.blame(BOB.peer_id, "bad_signature", 0.0)
    assert scores.score(BOB.peer_id, 0.0) < BAR
    assert scores.reason(BOB.peer_id) == "forged messages"


def test_what_is_nobody_s_fault_weighs_nothing() -> None:
    scores = Scores()
    for kind in ("not_in_room", "expired", "too_slow", "unreachable", "garbled", "frame_too_long"):
        scores.blame(BOB.peer_id, kind, 0.0)
    assert scores.score(BOB.peer_id, 0.0) == 0


def test_reason_is_what_weighs_most() -> None:
    scores = Scores()
    scores.blame(BOB.peer_id, "history_rate", 0.0)
    assert scores.reason(BOB.peer_id) == "requests beyond what is allowed"
    scores.blame(BOB.peer_id, BROKEN_PROMISE, 0.0)
    assert scores.reason(BOB.peer_id) == "messages announced and not delivered"
    assert scores.reason(ANN.peer_id) == ""


def test_scores_are_kept_of_so_many_peers_and_no_more() -> None:
    scores = Scores()
    for number in range(MAX_SCORES + 1):
        scores.praise(identity(1000 + number).peer_id, 0.0)
    assert scores.score(identity(1000).peer_id, 0.0) == 0
    assert scores.score(identity(1000 + MAX_SCORES).peer_id, 0.0) == 1
