"""Bad requests, and what this side cannot do: each with a hint what to do about it."""

from collections.abc import Sequence

from chatcore.errors.families import LocalError

MAX_LABELS = 5
"""Of those that may be meant, in one line."""


class TextEmpty(LocalError):
    """There is nothing in the text but white space."""

    kind = "text_empty"

    def __init__(self) -> None:
        super().__init__("the message is empty", "write some text")


class TextTooLong(LocalError):
    """The text has too many bytes of UTF-8."""

    kind = "text_too_long"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the message has {size} bytes, the limit is {limit}", "split it into several messages"
        )
        self.size = size
        self.limit = limit


class TextNotUnicode(LocalError):
    """The text holds half a surrogate pair."""

    kind = "text_not_unicode"

    def __init__(self) -> None:
        super().__init__("the message is not valid Unicode text", "send it as UTF-8")


class BadName(LocalError):
    """A room, user or network name that breaks its rule."""

    kind = "bad_name"

    def __init__(self, what: str, name: str, rule: str) -> None:
        super().__init__(f"{name[:80]!r} is not a {what} name", rule)
        self.what = what
        self.name = name


class BadAddress(LocalError):
    """Not an address of a node."""

    kind = "bad_address"

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address[:80]!r} is not an address",
            "write HOST:PORT, for example 192.0.2.7:8080 or [2001:db8::1]:8080",
        )
        self.address = address


class NotInRoom(LocalError):
    """This node is not in that room, or has never been where its history is asked for."""

    kind = "not_in_room"

    def __init__(self, name: str, *, leaving: bool = False) -> None:
        hint = "chatctl rooms shows those it is in" if leaving else f"join it first: chatctl join '#{name}'"
        super().__init__(f"this node is not in #{name}", hint)
        self.name = name


class BadClientId(LocalError):
    """A client_id that is empty, too long or not Unicode."""

    kind = "bad_client_id"

    def __init__(self, limit: int) -> None:
        super().__init__(f"a client_id has 1 to {limit} characters of valid Unicode", "give another, or none")


class OutboxFull(LocalError):
    """Too many messages wait for somebody to hand them to."""

    kind = "outbox_full"
    retryable = True

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} messages wait for somebody to hear them, the most this node keeps",
            "link it with a member of their rooms, then try again: chatctl connect HOST:PORT",
        )
        self.limit = limit


class UnknownMessage(LocalError):
    """No message that this node wrote, or one so old that its state is forgotten."""

    kind = "unknown_message"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is no message that this node wrote lately",
            "give the id that send printed, or at least its first ten characters",
        )


class TooManyRooms(LocalError):
    """This node is in as many rooms as it can be."""

    kind = "too_many_rooms"

    def __init__(self, limit: int) -> None:
        super().__init__(f"this node is in {limit} rooms already, the most it keeps", "leave one first")
        self.limit = limit


class RenamedTooOften(LocalError):
    """Several names were taken just now."""

    kind = "renamed_too_often"
    retryable = True

    def __init__(self, every_s: float) -> None:
        super().__init__(
            f"this node has taken several names just now; one every {every_s:.0f} s is the most",
            "wait a little, then try again",
        )


class TooManyPins(LocalError):
    """As many messages are pinned as there can be."""

    kind = "too_many_pins"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} messages are pinned already, the most this node keeps", "unpin one first: chatctl pins"
        )
        self.limit = limit


class TooManyAddresses(LocalError):
    """This node keeps dialling as many addresses as it can."""

    kind = "too_many_addresses"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"this node keeps dialling {limit} addresses already", "restart it without the dead ones"
        )
        self.limit = limit


class OwnAddress(LocalError):
    """Asked to dial itself."""

    kind = "own_address"

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is this node's own address", "give another node's")
        self.address = address


class UnknownPeer(LocalError):
    """Nobody this node knows of is meant."""

    kind = "unknown_peer"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"nobody known here is {text[:80]!r}",
            "give a peer id, or at least its first 10 characters, as chatctl peers shows them",
        )


class AmbiguousPeer(LocalError):
    """Several are meant, or somebody only by a name that anybody may take."""

    kind = "ambiguous_peer"

    def __init__(self, text: str, labels: Sequence[str]) -> None:
        shown = ", ".join(labels[:MAX_LABELS]) + (" and others" if len(labels) > MAX_LABELS else "")
        why = "may be several" if len(labels) > 1 else "is a name that anybody may take"
        super().__init__(f"{text[:80]!r} {why}", f"say which: {shown}")


class OwnPeer(LocalError):
    """It would be this node itself."""

    kind = "own_peer"

    def __init__(self) -> None:
        super().__init__("that is this node itself", "give somebody else's peer id")


class AliasTaken(LocalError):
    """Somebody has that name already, or one that looks alike: another peer, or this node itself."""

    kind = "alias_taken"

    def __init__(self, alias: str, other: str, whose: str) -> None:
        super().__init__(f"{alias!r} is too much like {other!r}, {whose}", "choose one that nobody mistakes")


class TooManyAliases(LocalError):
    """As many peers have names as there can be."""

    kind = "too_many_aliases"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} peers have names of yours already", "take one away first")


class TooManyBlocked(LocalError):
    """As many peers are blocked as there can be."""

    kind = "too_many_blocked"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} peers are blocked already", "unblock one first")


class NotLinked(LocalError):
    """Neither is there a link to end, nor an address that is dialled."""

    kind = "not_linked"

    def __init__(self, text: str) -> None:
        super().__init__(f"this node is not linked with {text[:80]}, nor dials it", "see chatctl peers")


class PeerRefused(LocalError):
    """Asked to dial somebody whom this node does not link with."""

    kind = "peer_refused"

    def __init__(self, address: str, why: str, short: str) -> None:
        super().__init__(f"{address} is not dialled: {why}", f"chatctl unblock {short}")


class StoreFailed(LocalError):
    """It could not be written to disk; nothing of it was kept."""

    kind = "store_failed"
    retryable = True

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(f"the store could not keep it: {why}", hint or "free disk space, then try again")
        self.why = why


class Stopping(LocalError):
    """The daemon is on its way out; nothing of it was done."""

    kind = "stopping"
    retryable = True

    def __init__(self) -> None:
        super().__init__("the daemon is stopping", "try again once it runs")


class NotCaughtUp(LocalError):
    """Restored from a backup, and what it said since is not here yet: it must not speak before that."""

    kind = "not_caught_up"
    retryable = True

    def __init__(self, waits_for: str, *, linked: bool) -> None:
        alone = (
            "link it with a member of its rooms, chatctl connect HOST:PORT; or, only if the old node is gone"
            " for good and nobody else has its messages: chatctl call node.caught_up"
        )
        super().__init__(
            f"this node was restored from a backup and waits to catch up: {waits_for}",
            "try again in some seconds; chatctl doctor says what it waits for" if linked else alone,
        )
        self.waits_for = waits_for


class BackupFailed(LocalError):
    """No backup was written; the message says why."""

    kind = "backup_failed"


class BadKeyFile(LocalError):
    kind = "bad_key_file"
