"""One secured link: bytes in, messages and bytes out.

Drives frames, handshake and hello in order and then encrypts and decrypts batches. Knows nothing of rooms,
and refuses to know what a socket is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from noise.exceptions import NoiseInvalidMessage

from chatcore.clock import Now
from chatcore.codec import decode_batch, encode_message, pack_batches
from chatcore.errors import (
    ClosedByPeer,
    FrameTooLong,
    Garbled,
    HandshakeFailed,
    Malformed,
    NetworkMismatch,
    NotChatd,
    RemoteError,
    WrongPeer,
)
from chatcore.frames import MAX_FRAME_BYTES, FrameDecoder, encode_frame
from chatcore.handshake import Credentials, Handshake
from chatcore.ids import PeerId
from chatcore.messages import Goodbye, Hello, LinkMessage

MAX_FRAMES_PER_TURN = 64
"""Frames worked off in one go: a peer that sends many tiny ones must not keep the loop from the others."""


class State(Enum):
    NEW = auto()
    AWAIT_FIRST = auto()
    AWAIT_SECOND = auto()
    AWAIT_THIRD = auto()
    AWAIT_HELLO = auto()
    OPEN = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Opened:
    """Input: the stream is connected."""


@dataclass(frozen=True, slots=True)
class BytesReceived:
    """Input."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SendEncoded:
    """Input: messages from `encode_message`, in order. Only once the session is open."""

    encoded: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """Input: the other side will send no more."""


@dataclass(frozen=True, slots=True)
class NextTurn:
    """Input: go on with the frames that wait."""


SessionInput = Opened | BytesReceived | NextTurn | SendEncoded | StreamEnded


@dataclass(frozen=True, slots=True)
class WriteBytes:
    """Output."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Established:
    """Output: who is there, proved, and what it said of itself."""

    peer_id: PeerId
    hello: Hello
    binding: bytes
    """The handshake hash: both ends of this link have it, no other link does (Noise specification, 11.2)."""


@dataclass(frozen=True, slots=True)
class MessagesReceived:
    """Output."""

    messages: tuple[LinkMessage, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Output, always the last: write what came before it, then close."""

    error: RemoteError


@dataclass(frozen=True, slots=True)
class FramesWaiting:
    """Output: more frames are here than one turn takes. Hand in `NextTurn` before further bytes."""


SessionOutput = WriteBytes | Established | MessagesReceived | FramesWaiting | Failed


class Session:
    """`hello` is what this side says; `expected` the identity known to live at a dialled address."""

    def __init__(
        self,
        credentials: Credentials,
        hello: Hello,
        *,
        dialler: bool,
        ephemeral: bytes,
        expected: PeerId | None = None,
    ) -> None:
        self._credentials = credentials
        self._hello = hello
        self._dialler = dialler
        self._expected = expected
        self._handshake = Handshake(credentials, dialler=dialler, ephemeral=ephemeral)
        self._noise = self._handshake.noise
        self._decoder = FrameDecoder()
        self.state = State.NEW
        self._on_frame: dict[State, Callable[[bytes], list[SessionOutput]]] = {
            State.AWAIT_FIRST: self._on_first,
            State.AWAIT_SECOND: self._on_second,
            State.AWAIT_THIRD: self._on_third,
            State.AWAIT_HELLO: self._on_hello,
            State.OPEN: self._on_batch,
        }

    def handle(self, event: SessionInput, now: Now) -> list[SessionOutput]:  # noqa: ARG002 - the one verb's shape
        """Raises nothing that a peer can cause: what it does wrong becomes `Failed`."""
        match event:
            case BytesReceived(data):
                self._decoder.feed(data)
                return self._handle_frames()
            case NextTurn():
                return self._handle_frames()
            case SendEncoded(encoded):
                return self._handle_send(encoded)
            case Opened():
                return self._handle_opened()
            case StreamEnded():
                return self._handle_ended()

    def _handle_opened(self) -> list[SessionOutput]:
        if not self._dialler:
            self.state = State.AWAIT_FIRST
            return []
        self.state = State.AWAIT_SECOND
        return [_frame(self._handshake.write_first())]

    def _handle_frames(self) -> list[SessionOutput]:
        outputs: list[SessionOutput] = []
        for _ in range(MAX_FRAMES_PER_TURN):
            if self.state is State.FAILED:
                return outputs
            try:
                frame = self._next_frame()
                if frame is None:
                    return outputs
                outputs += self._on_frame[self.state](frame)
            except RemoteError as error:
                outputs += self._fail(error)
        return [*outputs, FramesWaiting()]

    def _next_frame(self) -> bytes | None:
        try:
            return self._decoder.next_frame()
        except FrameTooLong as error:
            if self.state in {State.AWAIT_FIRST, State.AWAIT_SECOND}:
                raise NotChatd from error  # the "length" is the first four letters of something else
            raise

    def _handle_send(self, encoded: Sequence[bytes]) -> list[SessionOutput]:
        if self.state is not State.OPEN:
            return []  # the link failed while these were on their way to it
        return [self._seal(batch) for batch in pack_batches(encoded)]

    def _handle_ended(self) -> list[SessionOutput]:
        match self.state:
            case State.FAILED:
                return []
            case State.OPEN:
                return self._fail(ClosedByPeer())
            case _:
                return self._fail(HandshakeFailed("the peer hung up during the handshake"))

    def _fail(self, error: RemoteError) -> list[SessionOutput]:
        self.state = State.FAILED
        return [Failed(error)]

    def _on_first(self, frame: bytes) -> list[SessionOutput]:
        try:
            self._handshake.read_first(frame)
        except RemoteError as error:
            # Our preface alone tells a node of another version or network what keeps us apart.
            return [_frame(self._credentials.open_preface), *self._fail(error)]
        self.state = State.AWAIT_THIRD
        return [_frame(self._handshake.write_second())]

    def _on_second(self, frame: bytes) -> list[SessionOutput]:
        self._handshake.read_second(frame)
        self._check_expected()
        third = _frame(self._handshake.write_third())
        self._await_hello()
        return [third, self._say_hello()]

    def _on_third(self, frame: bytes) -> list[SessionOutput]:
        self._handshake.read_third(frame)
        self._await_hello()
        return [self._say_hello()]

    def _await_hello(self) -> None:
        self.state = State.AWAIT_HELLO
        self._decoder.limit = MAX_FRAME_BYTES

    def _say_hello(self) -> SessionOutput:
        return self._seal(pack_batches([encode_message(self._hello)])[0])

    def _check_expected(self) -> None:
        found = self._peer_id
        if self._expected is not None and found != self._expected:
            raise WrongPeer(f"expected {self._expected.short} there, found {found.short}")

    @property
    def _peer_id(self) -> PeerId:
        peer_id = self._handshake.peer_id
        assert peer_id is not None, "asked for before the proof was checked"
        return peer_id

    def _on_hello(self, frame: bytes) -> list[SessionOutput]:
        hello, *rest = self._open(frame)
        if isinstance(hello, Goodbye):
            raise ClosedByPeer(hello.reason)
        if not isinstance(hello, Hello):
            raise Malformed("the first message is not hello")
        if hello.network != self._credentials.network:
            raise NetworkMismatch(self._credentials.network, they_use_key=False, we_use_key=False)
        self.state = State.OPEN
        established = Established(self._peer_id, hello, self._noise.get_handshake_hash())
        return [established, MessagesReceived(tuple(rest))] if rest else [established]

    def _on_batch(self, frame: bytes) -> list[SessionOutput]:
        return [MessagesReceived(self._open(frame))]

    def _open(self, frame: bytes) -> tuple[LinkMessage, ...]:
        try:
            plaintext: bytes = self._noise.decrypt(frame)
        except NoiseInvalidMessage as error:
            raise Garbled from error
        return decode_batch(plaintext)

    def _seal(self, batch: bytes) -> SessionOutput:
        return _frame(self._noise.encrypt(batch))


def _frame(body: bytes) -> WriteBytes:
    return WriteBytes(encode_frame(body))
