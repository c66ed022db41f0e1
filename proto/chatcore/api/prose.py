"""What docs/rpc.md says beside the table: how to ask, and how events come."""

from chatcore.api.feed import MAX_TOPICS
from chatcore.api.limits import (
    API_VERSION,
    MAX_BATCH_ANSWER_BYTES,
    MAX_BATCH_REQUESTS,
    MAX_REQUEST_BYTES,
)
from chatcore.api.parsing import MAX_PARAM_CHARS

CURL = 'curl --silent --unix-socket "$SOCKET" http://chatd/rpc'

INTRODUCTION = f"""\
# The local API

<!-- Made of the table in proto/chatcore/api by `make docs`; edit it there. -->

JSON-RPC 2.0 on a Unix socket, for the user who runs the daemon alone (and root): the socket has mode 0600
in a folder of mode 0700, and the caller's user id is checked as well. With `--home DIR` it is
`DIR/chatd.sock`, otherwise `$XDG_RUNTIME_DIR/chatd/chatd.sock`; below it is `$SOCKET`. This is version
{API_VERSION} of the API. Within 1.x methods, result fields, topics and errors are only added: ignore what
you do not know.

## Asking

`POST /rpc` takes a request or a batch and answers with HTTP status 200, errors of JSON-RPC included. A
notification (a request without `id`), or a batch of them, is done and answered with status 204 and no body.

```sh
{CURL} \\
  -d '{{"jsonrpc":"2.0","id":1,"method":"message.send","params":["hi bob","lobby"]}}'
```

Parameters go by place, as here, or by name. A batch has at most {MAX_BATCH_REQUESTS} requests. They are
done side by side, not one after another, and answered in their order:

```sh
{CURL} \\
  -d '[{{"jsonrpc":"2.0","id":1,"method":"node.status"}},{{"jsonrpc":"2.0","id":2,"method":"peer.list"}}]'
```

Answers with pages of messages (`message.history`, `message.search`, `message.pins`) are made one after
another; once they have {MAX_BATCH_ANSWER_BYTES:,} bytes, the rest of them is refused.

A request, or a batch, has at most {MAX_REQUEST_BYTES:,} bytes: beyond it HTTP answers with status 413, and a
WebSocket is closed with code 1009. A text in it has at most {MAX_PARAM_CHARS:,} characters. For all who ask
over HTTP a few pages at once are made, for a WebSocket one; the next is made when one of them was read. Who
does not read an answer within 30 s is cut off.

`rpc.discover` answers with all of this page as an OpenRPC document.

The same works over a WebSocket at `/ws`, one document in each text message, any number under way; that is
also where events come. `chatctl call METHOD PARAMS` asks from a shell; `chatctl.client` from Python, and
comes back by itself when the daemon restarts.

"""

EVENTS = f"""\
## Events

The first thing a WebSocket says is `hello` ([Hello](#hello)), so that a client knows whom it has before it
asks. A client made for another first number of `api_version` should stop there and say so.

```json
{{
  "jsonrpc": "2.0",
  "method": "hello",
  "params": {{
    "version": "0.1.0",
    "api_version": "{API_VERSION}",
    "peer_id": "2kbt742yzg3h7zavt3w3eqroxeoktjxwwkjb4bb57cmvv6ehxysa",
    "network": "main",
    "username": "ann"
  }}
}}
```

`events.subscribe` is answered with a snapshot of what is so now, and every change follows as a notification
with one event or more, in their order:

```json
{{
  "jsonrpc": "2.0",
  "method": "events",
  "params": {{"events": [{{"seq": 8, "topic": "room", "data": {{"room": "tea", "state": "joined"}}}}]}}
}}
```

- `seq` rises with each message stored, and goes on rising after a restart. Subscribe with the last `seq`
  you have seen as `since`, and each message that came after it comes once, then what is new. What is not a
  message is not told again: the snapshot shows what became of it. A snapshot whose `seq` is below your
  `since` is of another store (a backup was restored): start anew from there. What was removed for its age
  meanwhile is not told.
- `topics` (at most {MAX_TOPICS}) says what to tell of; without it everything is told. Subscribing again on
  the same WebSocket replaces the subscription.
- Who reads slowly holds up nobody else, and costs the daemon less than 1 MiB. When it has fallen too far
  behind it gets a `gap`, then the messages it missed, from the disk, then what is new. Who reads nothing
  for 30 s is cut off, and may return with its last `seq`.
- What people say who are blocked is not told. This node is named by its name as a word of its own, as `ann`
  or `@ann`, whatever the capitals; it counts for `mention` by the name that the node has now.

"""

TOPICS = """\
`gap` comes whatever the topics are. A message is told once, under the topic `message`, whichever of
`message` and `mention` was asked for; one that names this node has `mention: true`.

"""

ERRORS = """\
## Errors

An error is `{code, message, data: {kind, hint, retryable}}`. `message` says what is wrong and `hint` what
to do about it, for people, and both may change; `code` and `kind` do not. `retryable`: the same may be
asked again later and succeed. Any method may answer with `invalid_params`.

"""

SHAPES = """\
## Shapes

A field marked * may be missing.

"""
