"""A resolver that says what a test wants."""

import asyncio
import socket
from typing import Any

import pytest


def resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Every name stands for these hosts, in the loop that runs."""

    async def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
        families = [socket.AF_INET6 if ":" in host else socket.AF_INET for host in hosts]
        return [
            (family, socket.SOCK_STREAM, 6, "", (host, port))
            for family, host in zip(families, hosts, strict=True)
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
