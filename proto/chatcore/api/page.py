"""docs/rpc.md, made of the table: `python -m chatcore.api` prints it."""

import json
import re
from typing import Any

from chatcore.api import openrpc, prose
from chatcore.api.failures import ERROR_CODES, REFUSALS
from chatcore.api.table import METHODS, Example

Json = dict[str, Any]

_WIDE = 100


def text() -> str:
    document = openrpc.document()
    parts = [prose.INTRODUCTION, _contents(), "## Methods\n\n"]
    parts += [_method(method) for method in document["methods"]]
    parts += [prose.EVENTS, _topics(document), _errors(), _shapes(document)]
    return "".join(parts).rstrip("\n") + "\n"


def _contents() -> str:
    rows = [f"| [`{name}`](#{anchor(name)}) | {method.summary} |" for name, method in METHODS.items()]
    return _table(("method", ""), rows)


def _table(head: tuple[str, ...], rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "| --- " * len(head) + "|", *rows, "", ""])


def anchor(title: str) -> str:
    """As the common renderers of Markdown make it."""
    return re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-")


def _method(method: Json) -> str:
    name = method["name"]
    parts = [f"### {name}\n\n{_sentence(method['summary'])}"]
    if method["params"] and "description" in method:
        parts.append(f" {method['description']}")
    parts.append("\n\n")
    if method["params"]:
        rows = [
            f"| `{item['name']}` | {_shape(item['schema'])} | {_default(item)} |" for item in method["params"]
        ]
        parts.append(_table(("parameter", "", "default"), rows))
    parts.append(f"Answers {_shape(method['result']['schema'])}.")
    if own := METHODS[name].errors:
        parts.append(f" Errors: {', '.join(f'`{kind.kind}`' for kind in own)}.")
    parts.append("\n\n")
    parts += [_example(name, example) for example in METHODS[name].examples]
    return "".join(parts)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _default(item: Json) -> str:
    return "needed" if item["required"] else f"`{json.dumps(item['schema']['default'])}`"


def _example(name: str, example: Example) -> str:
    request: Json = {"jsonrpc": "2.0", "id": 1, "method": name}
    if example.params:
        request["params"] = example.params
    asked = json.dumps(request, separators=(",", ":"))
    if name.startswith("events."):  # curl speaks no WebSocket
        return f"```json\n{asked}\n```\n\n{_answer(example)}"
    return f"```sh\n{prose.CURL} \\\n  -d '{asked}'\n```\n\n{_answer(example)}"


def _answer(example: Example) -> str:
    short = json.dumps(example.result)
    shown = short if len(short) <= _WIDE else json.dumps(example.result, indent=2)
    return f"```json\n{shown}\n```\n\n"


def _shape(schema: Json) -> str:
    """A schema in a few words, with links to the shapes below."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if "anyOf" in schema:
        return " or ".join(_shape(each) for each in schema["anyOf"])
    kind = schema.get("type")
    if isinstance(kind, list):
        words = " or ".join(kind)
    elif kind == "array":
        words = f"array of {_shape(schema['items'])}"
    elif kind == "object" and schema.get("additionalProperties"):
        words = f"object of {_shape(schema['additionalProperties'])}"
    else:
        words = kind or "any value"
    if "enum" in schema:
        words += f" ({', '.join(f'`{value}`' for value in schema['enum'])})"
    if "minimum" in schema:
        words += f", {schema['minimum']:,} to {schema['maximum']:,}"
    if "maxItems" in schema:
        words += f", at most {schema['maxItems']:,} of them"
    return words


def _topics(document: Json) -> str:
    told = next(item for item in document["x-notifications"] if "topics" in item)["topics"]
    rows = [f"| `{item['name']}` | {item['summary']} | {_shape(item['data'])} |" for item in told]
    return _table(("topic", "tells", "data"), rows) + prose.TOPICS


def _errors() -> str:
    """Those of JSON-RPC first; two of its codes have a kind of ours as well."""
    rows = [f"| {item.code} | `{item.kind}` | {_sentence(item.when)} |" for item in REFUSALS.values()]
    rows += [
        f"| {code} | `{kind.kind}` | {' '.join((kind.__doc__ or '').split())} |"
        for kind, code in ERROR_CODES.items()
        if code not in REFUSALS or kind.kind != REFUSALS[code].kind
    ]
    return prose.ERRORS + _table(("code", "kind", ""), rows)


def _shapes(document: Json) -> str:
    parts = [prose.SHAPES]
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts.append(f"### {name}\n\n")
        if "description" in schema:
            parts.append(f"{schema['description']}\n\n")
        rows = [
            f"| `{field}`{'' if field in schema['required'] else ' *'} | {_shape(inner)} |"
            for field, inner in schema["properties"].items()
        ]
        parts.append(_table(("field", ""), rows))
    return "".join(parts)
