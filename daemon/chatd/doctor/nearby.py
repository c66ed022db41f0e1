"""Discovery on the local network, as `node.status` has it."""

from chatcore import api
from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import count


def check_mdns(mdns: api.MdnsState) -> Verdict:
    match mdns["state"]:
        case "working":
            return Verdict("mdns", State.OK, f"working, {count(mdns['found'], 'node')} found")
        case "failed":
            return Verdict(
                "mdns",
                State.WARN,
                "nodes on the local network are not found",
                mdns["reason"] or "it failed",
                "let UDP port 5353 in and out, or do without: --no-mdns",
            )
        case _:
            return Verdict("mdns", State.OK, f"off: {mdns['reason']}" if mdns["reason"] else "off")
