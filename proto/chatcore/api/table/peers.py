"""The table's part about peers: `peer.*`."""

from chatcore.api.node import NoParams
from chatcore.api.peers import (
    Acquaintance,
    AcquaintanceChange,
    AliasParams,
    Connecting,
    ConnectParams,
    Disconnected,
    DisconnectParams,
    DiscouragedPeer,
    Peer,
    PeerListParams,
    PeerParams,
)
from chatcore.api.table.cast import BOB, BOB_AT, LINKED, LOST
from chatcore.api.table.method import Example, Method
from chatcore.errors import (
    AliasTaken,
    AmbiguousPeer,
    BadAddress,
    BadName,
    NotLinked,
    OwnAddress,
    OwnPeer,
    PeerRefused,
    Stopping,
    StoreFailed,
    TooManyAddresses,
    TooManyAliases,
    TooManyBlocked,
    UnknownPeer,
)

_WHO = (UnknownPeer, AmbiguousPeer, OwnPeer)
_KEPT = (StoreFailed, Stopping)

METHODS: dict[str, Method] = {
    "peer.list": Method(
        "the peers it is linked with",
        PeerListParams,
        list[Peer],
        examples=(
            Example({}, [LINKED]),
            Example({"all": True}, [LINKED, LOST]),
        ),
    ),
    "peer.connect": Method(
        "dial an address, and keep dialling it",
        ConnectParams,
        Connecting,
        errors=(BadAddress, OwnAddress, TooManyAddresses, PeerRefused, Stopping),
        examples=(Example({"address": BOB_AT}, {"address": BOB_AT, "state": "dialling"}),),
    ),
    "peer.disconnect": Method(
        "end a link, and dial no more",
        DisconnectParams,
        Disconnected,
        errors=(*_WHO, NotLinked, Stopping),
        examples=(Example({"peer": BOB_AT}, {"linked": True, "addresses": [BOB_AT]}),),
    ),
    "peer.block": Method(
        "hide what they say, and do not link with them",
        PeerParams,
        AcquaintanceChange,
        errors=(*_WHO, TooManyBlocked, *_KEPT),
        examples=(
            Example(
                {"peer": BOB},
                {"peer_id": BOB, "username": "bob", "alias": None, "blocked": True, "changed": True},
            ),
        ),
    ),
    "peer.unblock": Method(
        "show it again, and forgive what they were discouraged for",
        PeerParams,
        AcquaintanceChange,
        errors=(*_WHO, *_KEPT),
        examples=(
            Example(
                {"peer": BOB},
                {"peer_id": BOB, "username": "bob", "alias": None, "blocked": False, "changed": True},
            ),
        ),
    ),
    "peer.blocked": Method(
        "who is blocked",
        NoParams,
        list[Acquaintance],
        examples=(Example({}, [{"peer_id": BOB, "username": "bob", "alias": None, "blocked": True}]),),
    ),
    "peer.discouraged": Method(
        "whom their score keeps away",
        NoParams,
        list[DiscouragedPeer],
        examples=(
            Example(
                {},
                [
                    {
                        "peer_id": BOB,
                        "username": "bob",
                        "address": BOB_AT,
                        "reason": "messages announced and not delivered",
                        "left_s": 86291.4,
                    }
                ],
            ),
        ),
    ),
    "peer.alias": Method(
        "give somebody a name of one's own",
        AliasParams,
        AcquaintanceChange,
        errors=(*_WHO, BadName, AliasTaken, TooManyAliases, *_KEPT),
        examples=(
            Example(
                {"peer": BOB, "alias": "robert"},
                {"peer_id": BOB, "username": "bob", "alias": "robert", "blocked": False, "changed": True},
            ),
        ),
    ),
    "peer.aliases": Method(
        "the names given",
        NoParams,
        list[Acquaintance],
        examples=(Example({}, [{"peer_id": BOB, "username": "bob", "alias": "robert", "blocked": False}]),),
    ),
}
