"""Strict msgpack (github.com/msgpack/msgpack/spec): arrays of plain values in, Malformed for anything else.

Every length is capped before the decoder allocates: a streaming Unpacker preallocates what an array header
claims, and 20 headers of 2.5 kB each were seen to take 676 MiB.
"""

from typing import Any

import msgpack

from chatcore.errors import Malformed

MAX_STR_BYTES = 16 * 1024
MAX_BIN_BYTES = 24 * 1024
MAX_ITEMS = 2048


def pack(value: list[Any] | tuple[Any, ...]) -> bytes:
    return bytes(msgpack.packb(value, use_bin_type=True))


def unpack_array(data: bytes) -> list[Any]:
    """One msgpack array that fills `data` exactly; bytes within it stay bytes, text is valid UTF-8.

    Raises:
        Malformed: not msgpack, not an array, longer than the caps, or with bytes left over.
    """
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_str_len=MAX_STR_BYTES,
            max_bin_len=MAX_BIN_BYTES,
            max_array_len=MAX_ITEMS,
            max_map_len=0,
            max_ext_len=0,
            object_hook=_refuse,  # the caps let empty ones through
            ext_hook=_refuse,
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise Malformed(f"not msgpack as the protocol uses it ({type(error).__name__})") from error
    if type(value) is not list:
        raise Malformed("not an array")
    return value


def _refuse(*_: Any) -> None:
    raise ValueError("neither maps nor extensions")
