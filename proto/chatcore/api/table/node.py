"""The table's part about the node: `node.*`, `identity.*` and `rpc.*`."""

from typing import Any

from chatcore.api.node import (
    Backup,
    BackupParams,
    Diagnosis,
    Done,
    IdentityInfo,
    NameChange,
    NoParams,
    RenameParams,
    Stats,
    Status,
)
from chatcore.api.table.cast import ANN, BACKUP, IDENTITY
from chatcore.api.table.method import Example, Method
from chatcore.errors import AliasTaken, BackupFailed, BadName, RenamedTooOften, Stopping

METHODS: dict[str, Method] = {
    "node.status": Method(
        "how this node is doing",
        NoParams,
        Status,
        examples=(
            Example(
                {},
                {
                    "version": "0.1.0",
                    "api_version": "1.0.0",
                    "peer_id": ANN,
                    "username": "ann",
                    "network": "main",
                    "listen": "0.0.0.0:8080",
                    "peers": 1,
                    "rooms": ["lobby"],
                    "uptime_s": 5.623,
                    "dialling": [],
                    "heard_of": 2,
                    "store": {"used_bytes": 8192, "damaged": 0, "quarantined": [], "restored": False},
                    "mdns": {"state": "working", "reason": None, "found": 1},
                    "history": [{"room": "lobby", "state": "whole", "outstanding": 0}],
                },
            ),
        ),
    ),
    "node.stats": Method(
        "counters since it started",
        NoParams,
        Stats,
        examples=(
            Example(
                {},
                {
                    "messages_sent": 3,
                    "messages_received": 4,
                    "messages_duplicate": 1,
                    "messages_forwarded": 0,
                    "messages_dropped": 0,
                    "messages_degraded": 0,
                    "copies_per_message": 1.25,
                    "grafts": 0,
                    "prunes": 1,
                    "missing_then_fetched": 0,
                    "broken_promises": 0,
                    "repairs": 2,
                    "repairs_failed": 0,
                    "repaired": 0,
                    "rooms": {"lobby": {"eager_links": 1.0, "lazy_links": 0.0, "spare_links": 0}},
                    "refused": {},
                    "bytes_in": 1144,
                    "bytes_out": 1140,
                },
            ),
        ),
    ),
    "node.doctor": Method(
        "what is wrong, why, and what to do; takes some seconds",
        NoParams,
        Diagnosis,
        examples=(
            Example(
                {},
                {
                    "state": "warn",
                    "checks": [
                        {
                            "name": "listening",
                            "state": "warn",
                            "finding": "on 127.0.0.1:37633",
                            "cause": "only this machine itself can reach it there",
                            "fix": "listen on all addresses: --host 0.0.0.0",
                        },
                    ],
                },
            ),
        ),
    ),
    "node.stop": Method("stop the daemon", NoParams, Done, examples=(Example({}, {"ok": True}),)),
    "node.rename": Method(
        "take another name, until it is started again",
        RenameParams,
        NameChange,
        errors=(BadName, AliasTaken, RenamedTooOften, Stopping),
        examples=(Example({"username": "anna"}, {"username": "anna", "changed": True}),),
    ),
    "node.backup": Method(
        "write everything it is into one encrypted file",
        BackupParams,
        Backup,
        errors=(BackupFailed,),
        examples=(
            Example({"path": BACKUP, "passphrase": "four old words"}, {"path": BACKUP, "bytes": 9304}),
        ),
    ),
    "node.caught_up": Method(
        "let a restored node send without waiting for a peer",
        NoParams,
        Done,
        examples=(Example({}, {"ok": True}),),
    ),
    "identity.show": Method("who this node is", NoParams, IdentityInfo, examples=(Example({}, IDENTITY),)),
    "rpc.discover": Method(
        "this table, as an OpenRPC 1.3 document",
        NoParams,
        dict[str, Any],
        examples=(
            Example(
                {}, {"openrpc": "1.3.2", "info": {"title": "chatd", "version": "1.0.0"}, "methods": ["..."]}
            ),
        ),
    ),
}
