"""The closures and fhirpathpy agree on the invariants of 4.0.1 over random documents, but where one is known to err."""

import random
from typing import Any

import orjson
import pytest
from fhirpathpy import compile as compile_fhirpath
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models

import conformance
from fhir_lab.documents import dumps
from fhir_lab.fhirpath import Context, EvaluationError, condition
from tests.support.random_resources import Maker

# What fhirpathpy 2.2.4 cannot do, by invariant.
THEIRS = {
    **dict.fromkeys(("age-1", "bdl-10", "cnt-3", "per-1"), "it has no hasValue()"),
    **dict.fromkeys(("eld-8", "eld-15", "trd-1", "trd-3"), "it does not see the choices of a datatype"),
    "rng-2": "it has no order of quantities",
    **dict.fromkeys(("txt-1", "txt-2"), "it has no htmlChecks(); `narrative` checks them"),
    "dom-3": "it sees no type of a descendant; `invariants` checks it",
    "ctm-1": "it has no resolve()",
    "ig-1": "its %context is the resource",
    "sdf-8": "it does not keep %resource below a Backbone element",
    "sdf-8a": "it does not keep %resource below a Backbone element",
}
PUBLISHED = sorted(
    {
        (rule["key"], path, rule["expression"])
        for rules in conformance.invariants().values()
        for path, each in rules.items()
        for rule in each
        if rule["key"] not in THEIRS and not rule["key"].endswith("-0") and "[x]" not in path
    }
)
SEEDS = range(8)


@pytest.mark.parametrize("chunk", range(12))
def test_closures_and_fhirpathpy_agree(chunk: int) -> None:
    seen = 0
    for key, path, expression in PUBLISHED[chunk::12]:
        ours = condition(expression, path)
        theirs = compile_fhirpath(expression, models["r4"], {"traceFn": lambda *_: None})
        for seed in SEEDS:
            document, type_ = _document(path, seed)
            assert _ours(ours, (document, type_, None)) == _theirs(theirs, document, type_), (key, document)
            seen += 1
    assert seen > 100


def _document(path: str, seed: int) -> tuple[Any, str]:
    """A part of a document to ask at `path`, thinned out, and the type that defines its elements."""
    name = path.partition(".")[0]
    element = conformance.elements()[name]["elements"].get(path, {})
    kind = element.get("types", ["BackboneElement"])[0]
    type_ = element.get("sameAs") or (path if kind in ("BackboneElement", "Element") or path == name else kind)
    made = Maker(seed)
    if type_[0].islower():
        return f"{seed % 3}" if seed % 2 else "*", type_
    resource = "." not in type_ and conformance.elements()[type_]["kind"] == "resource"
    whole = made.resource(type_) if resource else made.content(type_, 0)
    document = orjson.loads(dumps(whole))
    choose = random.Random(seed)
    for each in list(document):
        if each != "resourceType" and seed > 2 and choose.random() < 0.35:
            del document[each]
    return document, type_


def _ours(compiled: Any, node: Any) -> Any:
    try:
        return compiled.holds(node, Context(node))
    except EvaluationError:
        return "error"


def _theirs(compiled: Any, document: Any, type_: str) -> Any:
    nested = not isinstance(document, dict) or "resourceType" not in document
    start = ResourceNode.create_node(document, type_) if nested else document
    try:
        found = compiled(start, {"resource": document, "rootResource": document, "context": document})
    except Exception:
        return "error"
    return found[0] if len(found) == 1 else ("error" if found else None)
