"""The local RPC's errors as one table: class -> code. What JSON-RPC itself refuses stands beside it."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from chatcore import errors
from chatcore.api.feed import NeedsWebSocket
from chatcore.api.limits import BatchAnswerTooLong, TooManyRequests
from chatcore.api.messages import BadMoment, BadQuery, MuchNotShown, NoSuchMessage
from chatcore.api.parsing import InvalidParams
from chatcore.api.table import METHODS
from chatcore.errors import ChatError, LocalError

ERROR_CODES: dict[type[ChatError], int] = {
    InvalidParams: -32602,  # JSON-RPC 2.0, section 5.1
    TooManyRequests: -32600,
    errors.TextEmpty: 1001,
    errors.TextTooLong: 1002,
    errors.TextNotUnicode: 1003,
    errors.BadName: 1004,
    errors.BadAddress: 1005,
    errors.NotInRoom: 1006,
    errors.TooManyRooms: 1007,
    errors.TooManyAddresses: 1008,
    errors.StoreFailed: 1009,
    errors.Stopping: 1010,
    NeedsWebSocket: 1011,
    errors.OwnAddress: 1012,
    errors.BadClientId: 1013,
    errors.UnknownMessage: 1014,
    errors.TooManyPins: 1015,
    errors.OutboxFull: 1016,
    errors.RenamedTooOften: 1017,
    NoSuchMessage: 1020,
    BadMoment: 1021,
    BadQuery: 1022,
    MuchNotShown: 1023,
    BatchAnswerTooLong: 1024,
    errors.NotCaughtUp: 1030,
    errors.BackupFailed: 1031,
    errors.UnknownPeer: 1050,
    errors.AmbiguousPeer: 1051,
    errors.OwnPeer: 1052,
    errors.AliasTaken: 1053,
    errors.TooManyAliases: 1054,
    errors.TooManyBlocked: 1055,
    errors.NotLinked: 1056,
    errors.PeerRefused: 1057,
}
"""Stable: scripts may rely on them. `data` always carries `{kind, hint, retryable}`."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of JSON-RPC 2.0 itself (section 5.1), before a method is asked or beside its errors."""

    code: int
    kind: str
    hint: str
    when: str


REFUSALS: dict[int, Refusal] = {
    refusal.code: refusal
    for refusal in (
        Refusal(PARSE_ERROR, "parse_error", "send one JSON document", "the request is not JSON"),
        Refusal(
            INVALID_REQUEST,
            "invalid_request",
            'send {"jsonrpc": "2.0", "id": 1, "method": "node.status"}',
            "it is JSON, and not a request",
        ),
        Refusal(
            METHOD_NOT_FOUND,
            "method_not_found",
            f"methods: {', '.join(METHODS)}",
            "there is no such method; the hint lists those there are",
        ),
        Refusal(
            INVALID_PARAMS,
            "invalid_params",
            "params are an array or an object",
            "a parameter is missing, unknown, of the wrong type or out of its range",
        ),
        Refusal(INTERNAL_ERROR, "internal", "this is a bug; see the daemon's log", "the daemon has a bug"),
    )
}


class ErrorData(TypedDict):
    """`retryable`: whether the same may be asked again later and succeed.

    Of `much_not_shown` alone: `found`, how many would have been on the page, and `upto`, to go on from.
    """

    kind: str
    hint: str
    retryable: bool
    found: NotRequired[int]
    upto: NotRequired[str]


def error_code(error: ChatError) -> int:
    return ERROR_CODES.get(type(error), INTERNAL_ERROR)


def error_data(error: LocalError) -> ErrorData:
    data: ErrorData = {"kind": error.kind, "hint": error.hint, "retryable": error.retryable}
    return {**data, "found": error.found, "upto": error.upto} if isinstance(error, MuchNotShown) else data
