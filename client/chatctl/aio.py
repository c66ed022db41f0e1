"""What aiohttp says of a connection, as the failures that `reach` words."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from chatctl import reach
from chatctl.env import Place


@contextmanager
def failures(place: Place) -> Iterator[None]:
    """Raises MaybeDone, another DaemonUnreachable or BadAnswer for what aiohttp raises inside."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        raise reach.bad_answer(place, f"HTTP status {error.status}") from error
    except aiohttp.ClientConnectorError as error:
        raise reach.unreachable(place, error.os_error) from error
    except (
        aiohttp.ServerDisconnectedError,
        aiohttp.ClientOSError,  # a reset is one, and no ConnectionError: killed with the request unread
        aiohttp.ClientPayloadError,
        ConnectionError,
    ) as error:
        raise reach.went_away(place) from error
    except aiohttp.ClientError as error:
        raise reach.bad_answer(place, "it does not speak HTTP") from error
