"""What is told of own messages once they are shown."""

from typing import Any

from chatctl.repl.deliveries import MAX_FOLLOWED, Deliveries


def data(message_id: str, state: str, confirmed: int = 0, reason: str | None = None) -> dict[str, Any]:
    return {"id": message_id, "room": "lobby", "state": state, "confirmed": confirmed, "reason": reason}


def test_message_sent_and_delivered_is_only_told_beside_the_prompt() -> None:
    deliveries = Deliveries()
    deliveries.said("a", "sent")
    assert deliveries.summary == "sent"
    assert deliveries.changed(data("a", "delivered", 1)) == ""
    assert deliveries.changed(data("a", "delivered", 2)) == ""
    assert deliveries.summary == "delivered to 2"


def test_queued_messages_are_told_together_once_all_are_delivered() -> None:
    deliveries = Deliveries()
    for message_id in ("a", "b"):
        deliveries.said(message_id, "queued")
    assert deliveries.changed(data("b", "sent")) == ""
    assert deliveries.summary == "sent"
    assert deliveries.changed(data("a", "delivered", 1)) == ""
    assert deliveries.changed(data("b", "delivered", 1)) == "what was queued is delivered, 2 messages"
    deliveries.said("c", "queued")
    assert deliveries.changed(data("c", "delivered", 1)) == "what was queued is delivered"


def test_summary_is_of_the_last_message_alone() -> None:
    deliveries = Deliveries()
    deliveries.said("a", "sent")
    deliveries.said("b", "sent")
    deliveries.changed(data("a", "delivered", 3))
    assert deliveries.summary == "sent"


def test_reason_is_told_once_until_something_is_delivered() -> None:
    deliveries = Deliveries()
    deliveries.said("a", "sent")
    assert deliveries.changed(data("a", "refused", reason="by the\x1b clock")) == "not taken: by the clock"
    assert deliveries.changed(data("b", "refused", reason="by the\x1b clock")) == ""
    assert deliveries.summary == "refused"
    deliveries.changed(data("c", "delivered", 1))
    assert deliveries.changed(data("d", "refused")) == "not taken: no reason was given"


def test_what_was_not_heard_of_is_not_guessed() -> None:
    deliveries = Deliveries()
    deliveries.said("a", "queued")
    deliveries.forget()
    assert deliveries.summary == ""
    assert deliveries.changed(data("a", "delivered", 1)) == ""


def test_queued_messages_that_are_followed_are_capped() -> None:
    deliveries = Deliveries()
    for number in range(MAX_FOLLOWED + 10):
        deliveries.said(f"{number}", "queued")
    told = [deliveries.changed(data(f"{number}", "delivered", 1)) for number in range(MAX_FOLLOWED + 10)]
    assert [text for text in told if text] == [f"what was queued is delivered, {MAX_FOLLOWED} messages"]
