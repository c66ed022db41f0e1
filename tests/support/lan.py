"""A local network of our own: hosts in network namespaces on one bridge, which is in another. Needs root."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.daemon import BIN, Daemon

SNIFFER = """
import json, socket
packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
print(json.dumps("ready"), flush=True)
while True:
    packet, _ = packets.recvfrom(65536)
    if packet[0] >> 4 == 4 and packet[9] == 17:
        source, udp = socket.inet_ntop(socket.AF_INET, packet[12:16]), packet[4 * (packet[0] & 15):]
    elif packet[0] >> 4 == 6 and packet[6] == 17:
        source, udp = socket.inet_ntop(socket.AF_INET6, packet[8:24]), packet[40:]
    else:
        continue
    if int.from_bytes(udp[2:4], "big") == 5353:
        print(json.dumps([source, udp[8:].hex()]), flush=True)
"""


class NoNamespaces(Exception):
    """Why there are none, in the system's words."""


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoNamespaces(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Host:
    """`addresses` are of its one interface, `eth0`."""

    def __init__(self, namespace: str, number: int) -> None:
        self.namespace = namespace
        self.v4 = f"10.77.0.{number}"
        self.v6 = f"fd77::{number}"

    def command(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *command]

    def ip(self, *arguments: str) -> None:
        _ip("-n", self.namespace, *arguments)

    def join(self, switch: str) -> None:
        """Plug it into the bridge and give it its addresses."""
        port = self.namespace.rpartition("-")[2]
        self.ip("link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", switch)
        _ip("-n", switch, "link", "set", port, "master", "br0", "up")
        self.ip("addr", "add", f"{self.v4}/24", "dev", "eth0")
        self.ip("addr", "add", f"{self.v6}/64", "dev", "eth0", "nodad")
        self.ip("link", "set", "eth0", "up")

    def daemon(self, home: Path, *arguments: str, listen: str = "0.0.0.0", username: str = "ann") -> Daemon:
        """One that runs here; mDNS is on unless told otherwise."""
        daemon = Daemon(home, "--host", listen, "--mdns", *arguments, username=username)
        daemon.program = self.command(str(BIN / "chatd"))
        return daemon


class Lan:
    def __init__(self, hosts: int) -> None:
        self._name = f"chatd{os.getpid()}"
        self.switch = f"{self._name}-sw"
        self.hosts = [Host(f"{self._name}-h{number}", number) for number in range(1, hosts + 1)]
        self._made: list[str] = []

    def up(self, *, plugged: bool) -> None:
        """Raises NoNamespaces where they are not permitted."""
        for namespace in (self.switch, *(host.namespace for host in self.hosts)):
            _ip("netns", "add", namespace)
            self._made.append(namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", self.switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        _ip("-n", self.switch, "link", "set", "br0", "up")
        for host in self.hosts if plugged else ():
            host.join(self.switch)

    def down(self) -> None:
        for namespace in self._made:
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)

    @contextmanager
    def sniffing(self) -> Iterator["Sniffer"]:
        """What goes to port 5353 over the bridge, from now on."""
        with subprocess.Popen(
            ["ip", "netns", "exec", self.switch, sys.executable, "-c", SNIFFER],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Sniffer(process)
            finally:
                process.kill()


class Sniffer:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.packets: list[tuple[str, bytes]] = []
        assert self._next() == "ready"

    def _next(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def read_until(self, source: str) -> bytes:
        """The payload of the next packet from there; whatever came before it is in `packets` as well."""
        while True:
            came_from, payload = self._next()
            self.packets.append((came_from, bytes.fromhex(payload)))
            if came_from == source:
                return self.packets[-1][1]


@contextmanager
def lan(hosts: int, *, plugged: bool = True) -> Iterator[Lan]:
    """Raises NoNamespaces where they are not permitted."""
    made = Lan(hosts)
    try:
        made.up(plugged=plugged)
        yield made
    finally:
        made.down()
