"""`rpc.discover` and docs/rpc.md against the published meta-schema, the table and each other."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
from referencing.jsonschema import DRAFT7

from chatcore.api import ERROR_CODES, METHODS, REFUSALS, TOPICS, InvalidParams, openrpc, page, parse_params
from tests.support.shapes import misfits, params_misfit

ROOT = Path(__file__).parents[2]
DOCUMENT = openrpc.document()
EXAMPLES = [
    pytest.param(name, example, id=f"{name}-{number}")
    for name, method in METHODS.items()
    for number, example in enumerate(method.examples)
]


def meta_validator() -> jsonschema.Draft7Validator:
    published = [
        json.loads((ROOT / "tests/openrpc" / name).read_text())
        for name in ("openrpc-1.3.json", "json-schema.json")
    ]
    resources = [(schema["$id"], DRAFT7.create_resource(schema)) for schema in published]
    # It writes the same address with and without the slash at its end.
    resources += [(address.rstrip("/"), resource) for address, resource in resources]
    return jsonschema.Draft7Validator(published[0], registry=referencing.Registry().with_resources(resources))


def test_document_is_openrpc_by_the_published_meta_schema() -> None:
    assert [error.message for error in meta_validator().iter_errors(DOCUMENT)] == []
    assert DOCUMENT["openrpc"].startswith("1.3.")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("info"),
        lambda document: document["methods"][0].pop("params"),
        lambda document: document["methods"][0].update(paramStructure="any"),
        lambda document: document["methods"][0]["result"].update(schema=5),
        lambda document: document.update(notifications=[]),
        lambda document: document["components"]["schemas"]["Message"].update(type="text"),
    ],
)
def test_meta_schema_would_see_a_fault(spoil: Any) -> None:
    spoilt = json.loads(json.dumps(DOCUMENT))
    spoil(spoilt)
    assert not meta_validator().is_valid(spoilt)


def test_document_tells_every_method_error_and_topic() -> None:
    assert [method["name"] for method in DOCUMENT["methods"]] == list(METHODS)
    assert {error["code"] for error in DOCUMENT["components"]["errors"].values()} == set(ERROR_CODES.values())
    (told,) = (item["topics"] for item in DOCUMENT["x-notifications"] if "topics" in item)
    assert [topic["name"] for topic in told] == [*TOPICS, "gap"]


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]*)"', json.dumps(DOCUMENT)):
        found: Any = DOCUMENT
        for part in reference.split("/"):
            found = found[part]
        assert found


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_an_example_and_names_errors_that_have_codes(name: str) -> None:
    assert METHODS[name].examples
    assert set(METHODS[name].errors) <= set(ERROR_CODES)
    assert len(set(METHODS[name].errors)) == len(METHODS[name].errors)


def test_every_error_but_those_of_batches_is_of_some_method() -> None:
    told = {kind for method in METHODS.values() for kind in method.errors}
    assert {kind.kind for kind in set(ERROR_CODES) - told} == {
        "invalid_params",
        "batch_too_long",
        "batch_answer_too_long",
    }


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_example_is_what_the_method_takes_and_answers(name: str, example: Any) -> None:
    parse_params(METHODS[name].params, example.params)
    assert params_misfit(name, example.params) == []
    assert misfits(name, example.result) == []


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("message.send", {}),
        ("message.send", {"text": 5}),
        ("message.history", {"limit": 0}),
        ("message.history", {"limit": 1001}),
        ("events.subscribe", {"topics": []}),
        ("events.subscribe", {"topics": ["nonsense"]}),
        ("events.subscribe", {"since": "5"}),
        ("message.import", {"messages": [{}] * 501}),
    ],
)
def test_schema_of_parameters_refuses_what_the_daemon_refuses(name: str, params: Any) -> None:
    with pytest.raises(InvalidParams):
        parse_params(METHODS[name].params, params)
    assert params_misfit(name, params)


def test_page_is_the_one_in_docs() -> None:
    assert (ROOT / "docs/rpc.md").read_text() == page.text(), "run `make docs`"


def test_page_names_every_error_and_leads_nowhere_in_vain() -> None:
    text = page.text()
    for kind, code in ERROR_CODES.items():
        assert f"| {code} | `{kind.kind}` |" in text
        assert kind.__doc__, f"{kind.__name__} needs words for docs/rpc.md"
    for refusal in REFUSALS.values():
        assert f"| {refusal.code} | `{refusal.kind}` |" in text
    titles = {page.anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= titles
