"""A visit to a daemon that runs: facts of its parts, a look out of the window, then judgement."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from chatcore import __version__, api
from chatcore.errors import NetworkMismatch, SelfDialed
from chatcore.inbox import TOO_EARLY
from chatcore.names import join_address, split_address
from chatd import twins
from chatd.doctor import bootstrap, clocks, company, doors, history, identity, machine, nearby
from chatd.doctor.bootstrap import MAX_TARGETS_SHOWN, Probe, Target
from chatd.doctor.probes import probe
from chatd.doctor.verdicts import Verdict, diagnosis
from chatd.driver import Driver
from chatd.ownaddress import own_hosts
from chatd.settings import Settings
from chatd.store import Store

_MAY_HAVE_CHANGED = (None, "unreachable", "handshake")
"""How a dial ended after which it is worth knowing whether anybody answers now."""


class Doctor:
    def __init__(
        self, driver: Driver, store: Store, settings: Settings, mdns: Callable[[], api.MdnsState]
    ) -> None:
        self._driver = driver
        self._store = store
        self._settings = settings
        self._mdns = mdns
        self._started = driver.now().mono
        self._one_at_a_time = asyncio.Lock()

    async def examine(self) -> api.Diagnosis:
        """Takes some seconds where addresses do not answer."""
        async with self._one_at_a_time:
            unreached = self._targets()
            own_names = [target.address for target in unreached if target.kind == SelfDialed.kind]
            targets = [target for target in unreached if target.kind != SelfDialed.kind]
            probes = await asyncio.gather(
                *(
                    probe(item.address, connect=item.refusal is None and item.kind in _MAY_HAVE_CHANGED)
                    for item in targets[:MAX_TARGETS_SHOWN]
                )
            )
            probes += [Probe()] * (len(targets) - len(probes))
            own = await asyncio.to_thread(own_hosts)
            return diagnosis(self._judge(list(zip(targets, probes, strict=True)), own_names, own))

    def _judge(
        self, targets: list[tuple[Target, Probe]], own_names: list[str], hosts: list[str]
    ) -> list[Verdict]:
        node = self._driver.node
        way_in = self._doors(hosts)
        friends = self._company(dials_somebody=bool(targets))
        given = bootstrap.Given(
            answering=node.asked_for - len(targets) - len(own_names),
            ours=(*filter(node.is_own, node.config.bootstrap), *own_names),
            listening=way_in.listening,
        )
        return [
            doors.check_listening(way_in),
            doors.check_inbound(way_in),
            *bootstrap.check_bootstrap(given, targets, linked=bool(friends.addresses)),
            company.check_peers(friends),
            identity.check_identity(twins.times_replaced(node.drops, self._driver.now().mono)),
            self._clock(),
            nearby.check_mdns(self._mdns()),
            machine.check_disk(machine.disk_at(Path(self._settings.paths.store))),
            history.check_store(self._history()),
            machine.check_files(machine.files_now(self._settings.node.link.max_peers)),
            company.check_versions(__version__, friends.agents),
        ]

    def _targets(self) -> list[Target]:
        now, node = self._driver.now(), self._driver.node
        targets = []
        for entry in node.unreached():
            refusal = node.refusal(entry.peer_id, now)
            next_try_s = None if entry.dialling or refusal else max(0.0, entry.next_try - now.mono)
            short = entry.peer_id.short if entry.peer_id else ""
            targets.append(
                Target(
                    entry.address, entry.reason, entry.kind, next_try_s, entry.failures, refusal, peer=short
                )
            )
        return targets

    def _doors(self, own: list[str]) -> doors.Doors:
        links = self._driver.links
        port = split_address(links.listening[0])[1]
        return doors.Doors(
            listening=links.listening,
            own=tuple(join_address(host, port) for host in own),
            called_from=frozenset(links.called_from),
            uptime_s=self._driver.now().mono - self._started,
        )

    def _company(self, *, dials_somebody: bool) -> company.Company:
        links = list(self._driver.node.links)
        return company.Company(
            addresses=tuple(link.address for link in links),
            inbound=sum(not link.outbound for link in links),
            agents=tuple(link.user_agent for link in links),
            strangers=self._driver.node.counters.lately(NetworkMismatch.kind, self._driver.now().mono),
            dials_somebody=dials_somebody,
            heard_of=self._driver.node.heard_of,
        )

    def _clock(self) -> Verdict:
        now, node = self._driver.now(), self._driver.node
        told = [link.clock_ahead_ms(now) for link in node.links]
        return clocks.check_clock(
            [ahead for ahead in told if ahead is not None],
            too_early=node.counters.lately(TOO_EARLY, now.mono),
        )

    def _history(self) -> history.History:
        store, driver = self._store, self._driver
        # Also after a write of something smaller that did succeed, and after a restart.
        failing, mend = store.refusal or (driver.write_error, driver.write_hint)
        return history.History(
            used_bytes=store.used_bytes(),
            policy=self._settings.policy,
            persist=self._settings.persist,
            failing=failing,
            mend=mend,
            damaged=store.damaged,
            quarantined=tuple(str(path) for path in store.quarantined),
            restored=self._driver.node.waits_to_catch_up,
        )
