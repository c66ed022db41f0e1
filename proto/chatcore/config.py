"""One frozen configuration per layer; every default says where it comes from.

Fixed limits of the wire are not here: they belong to the protocol and stand beside what they limit.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """Times in seconds."""

    handshake_s: float = 5.0
    """From accept or connect to hello. Long enough for four slow round trips, short enough that half-open
    connections cannot pile up."""

    ping_every_s: float = 5.0
    dead_after_s: float = 10.0
    """A cable pulled shows as silence, not as an error: two pings unanswered."""

    backoff_first_s: float = 1.0
    backoff_most_s: float = 300.0
    backoff_jitter: float = 0.5
    """Redial after 1 s doubling to 5 min, each +-50%, so that a restarted bootstrap node is not stampeded."""

    good_after_s: float = 60.0
    """A link this old has earned a fresh backoff."""

    feeler_every_s: float = 30.0
    """A random known address is dialled so often, +-20%. Bitcoin takes two minutes; here a feeler also finds
    the other half of a split network."""

    save_every_s: float = 60.0
    """What is known of addresses goes to disk so often: what a crash takes is learned again."""

    max_peers: int = 50


@dataclass(frozen=True, slots=True)
class GossipConfig:
    fanout: int = 8
    """Active neighbours per room to aim at. Gossipsub runs 6 to 12 (libp2p specs, gossipsub-v1.1)."""

    ttl: int = 16
    """Eager hops: with none left a message is announced, not pushed. A random 8-regular graph of 10,000
    nodes has diameter 6; the rest is slack for a chain."""

    copies_wanted: int = 2
    """Copies after which further senders are asked to stop. One is cheaper, and slower to heal."""

    ihave_batch_s: float = 0.005
    graft_after_s: float = 0.080
    """What was announced usually comes by itself within a few link delays (Plumtree, section 3.3)."""

    graft_retry_s: float = 0.040
    """Beyond a round trip to the announcer asked, before the next one is."""

    rumour_every_s: float = 1.0
    rumour_rounds: int = 3
    rumour_links: int = 2
    """Each second two spares of a room are told what came in the last three, so that a node whose every
    neighbour is dead, or keeps messages from it, hears of them."""

    repair_every_s: float = 30.0
    """Histories are compared with a random member of each room so often, +-20%: equal ones take 61 bytes."""

    shuffle_every_s: float = 10.0
    full_mesh_below: int = 12
    """Rooms smaller than this need no overlay: everybody is linked with everybody."""

    seen_keep_s: float = 1200.0
    """Twice the accepted clock skew, so that no ephemeral message outlives the memory of it."""

    seen_most: int = 65_536
    """Ids per generation, at ~117 B each: two generations of messages and two of presence take 31 MB."""


@dataclass(frozen=True, slots=True)
class PresenceConfig:
    announced: bool = True
    """Whether this node says that it is there."""

    refresh_s: float = 15.0
    missed_intervals: int = 3
    """Reaped after three silent intervals: 45 s by default, as in the rust-libp2p messengers."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    network: str = "main"
    username: str = "anonymous"
    user_agent: str = "chatd"
    listen_port: int = 0
    """What peers may dial back; 0 means this node does not listen."""

    listen_host: str = ""
    """The one IP address it listens at; empty when it listens at all of the machine's."""

    advertise: tuple[str, ...] = ()
    """Where the operator says that it may be dialled, `IP:PORT`; at most one of each scope counts."""

    bootstrap: tuple[str, ...] = ()
    link: LinkConfig = field(default_factory=LinkConfig)
    gossip: GossipConfig = field(default_factory=GossipConfig)
    presence: PresenceConfig = field(default_factory=PresenceConfig)
