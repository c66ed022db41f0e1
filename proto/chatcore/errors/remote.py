"""What a peer did, or its system: the link is dropped, and the reason kept."""

from chatcore.errors.families import RemoteError


def _span(seconds: int) -> str:
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


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
    """The other side ended the link; `reason` is its own word where it gave one.

    "This node" in such a word is the peer, and it is shown as its word.
    """

    kind = "closed"
    fault = False

    def __init__(self, reason: str = "") -> None:
        super().__init__(f"the peer says: {reason}" if reason else "the peer closed the connection")
        self.reason = reason


class NodeStopping(RemoteError):
    """What a peer is told when this node stops."""

    kind = "stopped"
    fault = False

    def __init__(self) -> None:
        super().__init__("the node is stopping")


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
