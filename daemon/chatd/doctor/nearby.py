"""Discovery on the local network, as `node.status` has it."""

from chatcore import api
from chatd.discovery import NO_INTERFACE, NOT_PERMITTED, PORT_TAKEN
from chatd.doctor.verdicts import State, Verdict
from chatd.doctor.wording import count

_FIXES = {
    NO_INTERFACE: "connect this machine to a network (ip address shows its interfaces)",
    PORT_TAKEN: "stop that program: ss -lunp 'sport = :5353'",
    NOT_PERMITTED: "let chatd open UDP port 5353 and netlink: see RestrictAddressFamilies= in its unit",
}
_FIREWALL = "let UDP port 5353 in and out"


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
                f"{_FIXES.get(mdns['reason'] or '', _FIREWALL)}, or do without: --no-mdns",
            )
        case _:
            return Verdict("mdns", State.OK, f"off: {mdns['reason']}" if mdns["reason"] else "off")
