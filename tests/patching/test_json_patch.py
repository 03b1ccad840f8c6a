"""JSON Patch on documents: RFC 6902 to the letter, decimals as written, and nothing that grows without end."""

from typing import Any

import pytest

from fhir_lab.documents import dumps, parse
from fhir_lab.outcomes import BadRequest, Unprocessable
from fhir_lab.patching.json_patch import json_patch

DOCUMENT = b'{"resourceType":"Observation","id":"o","valueQuantity":{"value":6.30},"note":[{"text":"a"},{"text":"b"}]}'


def patched(*operations: Any, depth: int = 100, size: int = 100_000) -> str:
    body = parse(dumps(list(operations)))
    return dumps(json_patch(body, depth, size)(parse(DOCUMENT))).decode().removeprefix('{"resourceType":"Observation",')


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([], '"id":"o","valueQuantity":{"value":6.30},"note":[{"text":"a"},{"text":"b"}]}'),
        (
            [{"op": "add", "path": "/note/-", "value": {"text": "c"}}, {"op": "remove", "path": "/note/0"}],
            '"id":"o","valueQuantity":{"value":6.30},"note":[{"text":"b"},{"text":"c"}]}',
        ),
        (
            [{"op": "add", "path": "/note/1", "value": {"text": "c"}}, {"op": "remove", "path": "/valueQuantity"}],
            '"id":"o","note":[{"text":"a"},{"text":"c"},{"text":"b"}]}',
        ),
        (
            [{"op": "move", "from": "/note/1", "path": "/note/0"}, {"op": "replace", "path": "/id", "value": "p"}],
            '"id":"p","valueQuantity":{"value":6.30},"note":[{"text":"b"},{"text":"a"}]}',
        ),
        (
            [
                {"op": "test", "path": "/valueQuantity/value", "value": 6.3},
                {"op": "copy", "from": "/valueQuantity/value", "path": "/note/0/a~1b~0"},
            ],
            '"id":"o","valueQuantity":{"value":6.30},"note":[{"text":"a","a/b~":6.30},{"text":"b"}]}',
        ),
        (
            [
                {"op": "add", "path": "/note", "value": [{"text": "x"}]},
                {"op": "add", "path": "/note/0/text", "value": "y"},
            ],
            '"id":"o","valueQuantity":{"value":6.30},"note":[{"text":"y"}]}',
        ),
    ],
)
def test_operations_are_done_in_order(operations: list[Any], result: str) -> None:
    assert patched(*operations) == result


def test_a_patch_may_be_applied_twice_and_leaves_the_old_document_alone() -> None:
    change = json_patch(
        [{"op": "add", "path": "/x", "value": {"a": 1}}, {"op": "add", "path": "/x/b", "value": 2}], 100, 1000
    )
    document = parse(DOCUMENT)
    assert change(document) == change(document)
    assert document == parse(DOCUMENT)


@pytest.mark.parametrize(
    ("operation", "where"),
    [
        ({"op": "test", "path": "/id", "value": "x"}, "http.body[0]"),
        ({"op": "test", "path": "/none", "value": "x"}, "http.body[0].path"),
        ({"op": "remove", "path": "/none"}, "http.body[0].path"),
        ({"op": "remove", "path": "/note/2"}, "http.body[0].path"),
        ({"op": "remove", "path": "/note/-"}, "http.body[0].path"),
        ({"op": "remove", "path": "/note/01"}, "http.body[0].path"),
        ({"op": "remove", "path": "/note/" + "9" * 5000}, "http.body[0].path"),
        ({"op": "remove", "path": ""}, "http.body[0].path"),
        ({"op": "replace", "path": "/status", "value": "final"}, "http.body[0].path"),
        ({"op": "replace", "path": "/note/-", "value": "final"}, "http.body[0].path"),
        ({"op": "replace", "path": "", "value": 5}, "http.body[0].value"),
        ({"op": "add", "path": "/code/text", "value": "x"}, "http.body[0].path"),
        ({"op": "add", "path": "/note/3", "value": {}}, "http.body[0].path"),
        ({"op": "add", "path": "/note/x", "value": {}}, "http.body[0].path"),
        ({"op": "add", "path": "/id/x", "value": {}}, "http.body[0].path"),
        ({"op": "move", "from": "/none", "path": "/id"}, "http.body[0].from"),
        ({"op": "move", "from": "/note", "path": "/note/0/x"}, "http.body[0].path"),
        ({"op": "move", "from": "/note/0", "path": "/note/0/x"}, "http.body[0].path"),
        ({"op": "copy", "from": "/note/-", "path": "/id"}, "http.body[0].from"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(operation: dict[str, Any], where: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        patched(operation)
    assert refused.value.issues[0].expression == (where,)


@pytest.mark.parametrize(("found", "value"), [(True, 1), (1, True), ("1", 1), (None, False), ([1], [True]), ({}, [])])
def test_a_test_tells_types_apart(found: Any, value: Any) -> None:
    change = json_patch([{"op": "test", "path": "/x", "value": value}], 100, 1000)
    with pytest.raises(Unprocessable):
        change({"x": found})


def test_a_test_compares_numbers_by_value_and_objects_in_any_order() -> None:
    value = parse(b'{"b":[1.0,{"c":null}],"a":"x"}')
    document = parse(b'{"x":{"a":"x","b":[1,{"c":null}]}}')
    assert json_patch([{"op": "test", "path": "/x", "value": value}], 100, 1000)(document) == document


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"op": "add"}, "http.body"),
        (["add"], "http.body[0]"),
        ([{"op": "ad", "path": "/x", "value": 1}], "http.body[0].op"),
        ([{"path": "/x", "value": 1}], "http.body[0].op"),
        ([{"op": ["add"], "path": "/x"}], "http.body[0].op"),
        ([{"op": "remove", "path": "/id"}, {"op": "remove"}], "http.body[1].path"),
        ([{"op": "add", "path": "/x"}], "http.body[0].value"),
        ([{"op": "move", "path": "/x"}], "http.body[0].from"),
        ([{"op": "remove", "path": "id"}], "http.body[0].path"),
        ([{"op": "remove", "path": "/~2"}], "http.body[0].path"),
        ([{"op": "remove", "path": 5}], "http.body[0].path"),
        ([{"op": "copy", "path": "/x", "from": None}], "http.body[0].from"),
    ],
)
def test_a_body_that_is_no_json_patch_is_refused_before_anything_is_read(body: Any, where: str) -> None:
    with pytest.raises(BadRequest) as refused:
        json_patch(body, 100, 1000)
    assert refused.value.issues[0].expression == (where,)


def test_copies_that_double_the_document_stop_at_the_limit() -> None:
    doubling = [{"op": "copy", "from": "/note", "path": f"/note/0/n{number}"} for number in range(60)]
    with pytest.raises(Unprocessable, match="copies more"):
        patched(*doubling, size=100_000)


def test_copies_that_deepen_the_document_stop_at_the_limit() -> None:
    deepening = [{"op": "copy", "from": "/note", "path": "/note/0/n" + "/0/n" * number} for number in range(60)]
    with pytest.raises(Unprocessable, match="deeper"):
        patched(*deepening, depth=20, size=10**9)
