"""Own messages that have come back, in either order of answer and event."""

import asyncio

import pytest

from chatctl.repl.echoes import MAX_EARLY, Echoes


async def settled(echoes: Echoes) -> None:
    async with asyncio.timeout(0.01):
        await echoes.all_heard()


async def test_nothing_said_is_nothing_awaited() -> None:
    await settled(Echoes())


async def test_message_is_awaited_until_its_event() -> None:
    echoes = Echoes()
    echoes.expect("a")
    with pytest.raises(TimeoutError):
        await settled(echoes)
    echoes.heard("a")
    await settled(echoes)


async def test_event_may_come_before_the_answer() -> None:
    echoes = Echoes()
    echoes.heard("a")
    echoes.expect("a")
    await settled(echoes)


async def test_what_other_clients_say_is_forgotten() -> None:
    echoes = Echoes()
    for number in range(MAX_EARLY + 1):
        echoes.heard(str(number))
    echoes.expect("0")
    with pytest.raises(TimeoutError):
        await settled(echoes)
