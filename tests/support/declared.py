"""Which errors the table lets a method answer with. Needs nothing that only tests install."""

from chatcore.api import METHODS, REFUSALS, BatchAnswerTooLong, TooManyRequests
from chatcore.api.openrpc import errors_of


def declared_kinds(method: str) -> set[str]:
    """Its own, and those of JSON-RPC."""
    own = {kind.kind for kind in errors_of(METHODS[method])} if method in METHODS else set()
    of_batches = {TooManyRequests.kind, BatchAnswerTooLong.kind}
    return own | of_batches | {refusal.kind for refusal in REFUSALS.values()}
