"""What the doctor says of the way in, the way out, and whom a node is linked with: facts in, verdicts out."""

import pytest

from chatcore.addresses import Scope
from chatcore.errors import PeerBlocked, PeerDiscouraged, PeerParted, RemoteError
from chatd.doctor.bootstrap import MAX_TARGETS_SHOWN, Given, Probe, Target, check_bootstrap
from chatd.doctor.company import Company, check_peers, check_versions
from chatd.doctor.doors import Doors, check_inbound, check_listening
from chatd.doctor.identity import check_identity
from chatd.doctor.nearby import check_mdns
from chatd.doctor.verdicts import State, Verdict, diagnosis, worst
from chatd.twins import TAKEN

FRIEND = "friend.example:8080"
LAN = "192.168.1.5:8080"
GLOBAL = "8.8.8.8:8080"


def doors(
    *listening: str, own: tuple[str, ...] = (), called: frozenset[Scope] = frozenset(), uptime_s: float = 60
) -> Doors:
    return Doors(listening, own, called, uptime_s)


def company(
    *addresses: str, inbound: int = 0, network: int = 0, dials: bool = False, heard_of: int = 0
) -> Company:
    return Company(addresses, inbound, (), network, dials, heard_of)


# The way in


@pytest.mark.parametrize("address", ["0.0.0.0:8080", "[::]:8080", LAN, GLOBAL])
def test_listening_where_others_come_is_well(address: str) -> None:
    verdict = check_listening(doors(address, own=(LAN,)))
    assert (verdict.state, verdict.finding) == (State.OK, f"on {address}")


def test_listening_on_a_machine_without_a_network_is_told() -> None:
    verdict = check_listening(doors("0.0.0.0:8080"))
    assert verdict.state is State.WARN
    assert "connect it to a network" in verdict.fix


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "[::1]:8080"])
def test_listening_for_this_machine_alone_is_told(address: str) -> None:
    verdict = check_listening(doors(address))
    assert verdict.state is State.WARN
    assert "--host 0.0.0.0" in verdict.fix


def test_call_from_outside_proves_that_calls_come_in() -> None:
    seen = frozenset({Scope.GLOBAL})
    assert check_inbound(doors(LAN, called=seen)).state is State.OK


@pytest.mark.parametrize(
    ("way_in", "finding", "fix"),
    [
        (doors(LAN), "nobody has called from outside in 60 s", f"forward TCP port 8080 to {LAN}"),
        (doors(GLOBAL), "nobody has called from outside in 60 s", "let TCP port 8080 in"),
        (doors("0.0.0.0:8080", own=(LAN, GLOBAL)), "nobody has called", "let TCP port 8080 in"),
        (doors(LAN, called=frozenset({Scope.LAN})), "peers have called from the local network alone", LAN),
        (doors("127.0.0.1:8080"), "nobody has called", ""),
    ],
)
def test_way_in_that_nobody_has_used_is_unknown(way_in: Doors, finding: str, fix: str) -> None:
    verdict = check_inbound(way_in)
    assert verdict.state is State.UNKNOWN
    assert finding in verdict.finding
    assert fix in verdict.fix


# The way out


@pytest.mark.parametrize(
    ("target", "probe", "cause", "fix"),
    [
        (Target(FRIEND), Probe(unresolved="no such name"), "friend.example does not resolve: no such", "DNS"),
        (Target(FRIEND, "x"), Probe(unanswered="connection refused"), "connection refused", "firewalls"),
        (
            Target(FRIEND, "compare", "network"),
            Probe(),
            "of another network, or has another",
            "--network-key",
        ),
        (Target(FRIEND, "it speaks 1", "version"), Probe(), "it speaks 1", "update"),
        (Target(FRIEND, "no chatd", "not_chatd"), Probe(), "no chatd", "8080"),
        (Target(FRIEND, "silence", "handshake"), Probe(), "does not shake hands: silence", "log"),
        (Target(FRIEND, "silence", "handshake"), Probe(unanswered="refused"), "refused", "firewalls"),
        (Target(FRIEND, "refused", "unreachable"), Probe(), "a connection is taken there now", "next try"),
    ],
)
def test_address_without_a_link_is_told_with_its_cause(
    target: Target, probe: Probe, cause: str, fix: str
) -> None:
    (verdict,) = check_bootstrap(Given(0), [(target, probe)], linked=False)
    assert verdict.state is State.BROKEN
    assert verdict.finding.startswith(FRIEND)
    assert cause in verdict.cause
    assert fix in verdict.fix


def test_address_that_is_tried_again_says_when() -> None:
    target = Target(FRIEND, "refused", "unreachable", next_try_s=40.2, failures=3)
    (verdict,) = check_bootstrap(Given(0), [(target, Probe(unanswered="refused"))], linked=False)
    assert verdict.finding == f"{FRIEND}: no link after 3 tries; the next try is in 40 s"


@pytest.mark.parametrize(
    ("refusal", "cause", "fix"),
    [
        (PeerBlocked(), "k3f9, which answers there, is blocked", "chatctl unblock k3f9"),
        (
            PeerDiscouraged("lies", 23 * 3600),
            "k3f9, which answers there, is discouraged for another 23 h: lies",
            "wait so long, or chatctl unblock k3f9",
        ),
        (PeerParted(), "k3f9, which answers there: the owner", f"chatctl connect {FRIEND}"),
    ],
)
def test_address_of_a_peer_that_is_shunned_is_not_dialled_whatever_the_last_dial_came_to(
    refusal: RemoteError, cause: str, fix: str
) -> None:
    target = Target(FRIEND, "refused", "unreachable", None, 3, refusal, "k3f9")
    (verdict,) = check_bootstrap(Given(0), [(target, Probe())], linked=False)
    assert (verdict.state, verdict.finding) == (State.WARN, f"{FRIEND}: it is not dialled")
    assert verdict.cause.startswith(cause)
    assert verdict.fix == fix


def test_address_that_was_not_tried_yet_is_no_fault() -> None:
    (verdict,) = check_bootstrap(Given(0), [(Target(FRIEND), Probe(("192.0.2.1",)))], linked=False)
    assert (verdict.state, verdict.cause) == (State.UNKNOWN, "")


def test_dead_address_is_no_catastrophe_while_others_are_linked() -> None:
    dead = (Target(FRIEND, "x", "unreachable"), Probe(unanswered="x"))
    good, bad = check_bootstrap(Given(1), [dead], linked=True)
    assert (good.state, good.finding) == (State.OK, "1 address answered")
    assert bad.state is State.WARN


OURS = "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("given", "state", "finding", "fix"),
    [
        (Given(0, (OURS,), (OURS,)), State.WARN, "it is this node's own address", "another node's"),
        (Given(1, (OURS,), (OURS,)), State.OK, "it is this node's own address", ""),
        (
            Given(1, (OURS,), ("127.0.0.1:9",)),
            State.WARN,
            "own identity answers there",
            "stop one of the two",
        ),
    ],
)
def test_own_address_is_no_answer(given: Given, state: State, finding: str, fix: str) -> None:
    verdict, *more = check_bootstrap(given, [], linked=bool(given.answering))
    assert (verdict.name, verdict.state) == ("bootstrap", state)
    assert finding in verdict.finding
    assert fix in verdict.fix
    assert [item.finding for item in more] == ["1 address answered"] * given.answering


def test_link_taken_by_a_twin_points_to_the_identity() -> None:
    (verdict,) = check_bootstrap(Given(0), [(Target(FRIEND, TAKEN), Probe())], linked=False)
    assert "identity" in verdict.fix


@pytest.mark.parametrize(("replaced", "state"), [(0, State.OK), (2, State.OK), (3, State.BROKEN)])
def test_identity_whose_links_are_taken_again_and_again_runs_elsewhere(replaced: int, state: State) -> None:
    verdict = check_identity(replaced)
    assert verdict.state is state
    if state is State.BROKEN:
        assert "most likely runs somewhere else" in verdict.finding
        assert "stop one of the two" in verdict.fix
        assert "docs/operations.md" in verdict.fix


def test_many_dead_addresses_are_counted() -> None:
    dead = [(Target(f"h{number}:1", "x", "unreachable"), Probe(unanswered="x")) for number in range(20)]
    verdicts = check_bootstrap(Given(0), dead, linked=False)
    assert len(verdicts) == MAX_TARGETS_SHOWN + 1
    assert verdicts[-1].finding == "12 more addresses do not answer"


def test_no_address_to_start_with_is_well() -> None:
    (verdict,) = check_bootstrap(Given(0), [], linked=False)
    assert verdict.state is State.OK


# Whom it is linked with


def test_peers_are_told_with_their_networks() -> None:
    verdict = check_peers(company("8.8.8.8:1", "8.8.4.4:1", "1.1.1.1:1", inbound=1))
    assert verdict.state is State.OK
    assert verdict.finding == "linked with 3 peers: 2 out, 1 in, from 2 networks"


def test_peers_of_one_owner_are_a_risk() -> None:
    verdict = check_peers(company("8.8.8.8:1", "8.8.4.4:1", "8.8.1.1:1"))
    assert verdict.state is State.WARN
    assert "all are in one network, 8.8.0.0/16" in verdict.cause


@pytest.mark.parametrize("addresses", [("8.8.8.8:1", "8.8.4.4:1"), ("127.0.0.1:1",) * 5])
def test_few_peers_and_near_ones_are_no_risk(addresses: tuple[str, ...]) -> None:
    assert check_peers(company(*addresses)).state is State.OK


@pytest.mark.parametrize(
    ("alone", "cause", "fix"),
    [
        (company(), "it knows no address", "--bootstrap"),
        (company(heard_of=1), "it dials 1 address it has heard of", "--bootstrap"),
        (company(heard_of=2, dials=True), "nobody it dials", "each address"),
        (company(dials=True, network=3), "nobody it dials has answered", "each address"),
        (company(network=1), "1 caller of another network", "--network-key"),
    ],
)
def test_node_without_peers_says_why(alone: Company, cause: str, fix: str) -> None:
    verdict = check_peers(alone)
    assert verdict.state is State.WARN
    assert cause in verdict.cause
    assert fix in verdict.fix


@pytest.mark.parametrize(
    ("agents", "state", "says"),
    [
        (("chatd/0.2.0", "chatd/0.2.9"), State.OK, "of 2 peers none older, none newer"),
        (("chatd/0.1.0", "chatd/0.2.0"), State.OK, "1 older"),
        (("chatd/0.3.0", "chatd/0.2.0"), State.WARN, "1 of 2 peers run a newer version"),
        (("chatd/1.0.0",), State.WARN, "1 of 1 peers run a newer"),
        ((), State.UNKNOWN, "no peer has told"),
        (("other", "chatd/x", "chatd/99999.1"), State.UNKNOWN, "no peer has told"),
    ],
)
def test_versions_of_peers_are_compared_by_their_minor(
    agents: tuple[str, ...], state: State, says: str
) -> None:
    verdict = check_versions("0.2.5", agents)
    assert verdict.state is state
    assert says in verdict.finding


@pytest.mark.parametrize(
    ("state", "reason", "verdict"),
    [
        ("working", None, Verdict("mdns", State.OK, "working, 2 nodes found")),
        ("off", "turned off", Verdict("mdns", State.OK, "off: turned off")),
        ("off", None, Verdict("mdns", State.OK, "off")),
    ],
)
def test_mdns_that_works_or_is_not_wanted_is_well(state: str, reason: str | None, verdict: Verdict) -> None:
    assert check_mdns({"state": state, "reason": reason, "found": 2}) == verdict


def test_mdns_that_failed_says_why() -> None:
    verdict = check_mdns({"state": "failed", "reason": "nobody foresaw this", "found": 0})
    assert (verdict.state, verdict.cause) == (State.WARN, "nobody foresaw this")
    assert "UDP port 5353 in and out" in verdict.fix


# Addresses, and what all verdicts come to


def test_diagnosis_is_as_bad_as_its_worst_check() -> None:
    verdicts = [Verdict("a", State.OK, "well"), Verdict("b", State.WARN, "not well", "why", "so")]
    assert worst(verdicts) is State.WARN
    assert worst([]) is State.OK
    assert diagnosis(verdicts) == {
        "state": "warn",
        "checks": [
            {"name": "a", "state": "ok", "finding": "well", "cause": None, "fix": None},
            {"name": "b", "state": "warn", "finding": "not well", "cause": "why", "fix": "so"},
        ],
    }
