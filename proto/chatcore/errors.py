"""The two families of failure: ours (LocalError) and theirs (RemoteError).

An error holds fields; `kind` is stable and is what scripts and counters see. One place maps errors to RPC
codes (`api`), one maps those to exit codes (the client).
"""

from collections.abc import Sequence
from typing import ClassVar

MAX_LABELS = 5
"""Of those that may be meant, in one line."""


class ChatError(Exception):
    """`str()` is one sentence that says what is wrong."""

    kind: ClassVar[str] = "error"


class LocalError(ChatError):
    """A bad request or a bug on this side. `hint` says what to do about it."""

    kind = "local"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


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
        super().__init__(f"a client_id has 1 to {limit} characters of valid Unicode", "shorten it")


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
    """Another peer has that name already, or one that looks alike."""

    kind = "alias_taken"

    def __init__(self, alias: str, other: str, short: str) -> None:
        super().__init__(
            f"{alias!r} is too much like {other!r}, your name for {short}", "choose one that nobody mistakes"
        )


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


class RemoteError(ChatError):
    """The other side broke the protocol, or cannot speak with us: drop the link, record the kind."""

    kind = "remote"
    fault: ClassVar[bool] = True
    """Whether the other side did wrong, and did not merely go away or take another road."""


class FrameTooLong(RemoteError):
    kind = "frame_too_long"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a frame of {size} bytes, the limit is {limit}")
        self.size = size
        self.limit = limit


class Malformed(RemoteError):
    """Bytes that do not decode to what their place calls for."""

    kind = "malformed"


class Garbled(Malformed):
    """A frame that does not decrypt. Anybody on the path can cause it: it is not held against the peer."""

    kind = "garbled"

    def __init__(self) -> None:
        super().__init__("a frame that does not decrypt")


class NotChatd(RemoteError):
    kind = "not_chatd"

    def __init__(self) -> None:
        super().__init__("the other side does not speak the chatd protocol")


class VersionMismatch(RemoteError):
    kind = "version"

    def __init__(self, theirs: int, ours: int) -> None:
        older = "it" if theirs < ours else "this node"
        super().__init__(f"the peer speaks protocol version {theirs}, this node {ours}; update {older}")
        self.theirs = theirs
        self.ours = ours


class NetworkMismatch(RemoteError):
    kind = "network"

    def __init__(self, network: str, *, they_use_key: bool, we_use_key: bool) -> None:
        match they_use_key, we_use_key:
            case True, False:
                why = "it needs a network key; pass --network-key"
            case False, True:
                why = "it uses no network key, this node does; check --network-key"
            case True, True:
                why = "compare --network and --network-key on both sides"
            case _:
                why = "compare --network on both sides"
        super().__init__(f"the peer is on another network than {network!r}: {why}")
        self.network = network


class HandshakeFailed(RemoteError):
    kind = "handshake"


class WrongPeer(RemoteError):
    """The dialled address is answered by another identity than the one expected there."""

    kind = "wrong_peer"


class SelfDialed(RemoteError):
    kind = "self"
    fault = False

    def __init__(self) -> None:
        super().__init__("the address is this node's own")


class Unreachable(RemoteError):
    """Nothing answers at an address: refused, no route, no such name, or no answer in time."""

    kind = "unreachable"
    fault = False


class TooSlow(RemoteError):
    """The other side does not read what it is sent."""

    kind = "too_slow"

    def __init__(self) -> None:
        super().__init__("the peer does not read what it is sent")


class BadSignature(RemoteError):
    kind = "bad_signature"

    def __init__(self) -> None:
        super().__init__("a message whose signature does not fit its author")


class ForgedRecord(RemoteError):
    kind = "forged_record"

    def __init__(self) -> None:
        super().__init__("an address that its peer did not sign")


class ClosedByPeer(RemoteError):
    """The other side ended the link; `reason` is its own word where it gave one."""

    kind = "closed"
    fault = False

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "the peer closed the connection")
        self.reason = reason


class ClockApart(RemoteError):
    """A peer refuses our messages because of their time. Either clock may be the wrong one."""

    kind = "clock_apart"
    fault = False

    def __init__(self, peer: str, ahead_s: int) -> None:
        super().__init__(
            f"by the clock of peer {peer} this node's is {_span(ahead_s)} ahead, "
            "so it refuses what is said here; check the clock on both sides"
        )
        self.ahead_s = ahead_s


class PeerBlocked(RemoteError):
    kind = "blocked"
    fault = False

    def __init__(self) -> None:
        super().__init__("the owner of this node has blocked this peer")


class PeerDiscouraged(RemoteError):
    """Its score fell below the bar."""

    kind = "discouraged"
    fault = False

    def __init__(self, reason: str, left_s: float) -> None:
        super().__init__(f"discouraged for another {_span(round(left_s))}: {reason}")
        self.reason = reason
        self.left_s = left_s


class PeerParted(RemoteError):
    kind = "parted"
    fault = False

    def __init__(self) -> None:
        super().__init__("the owner of this node ended the link")


def _span(seconds: int) -> str:
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
