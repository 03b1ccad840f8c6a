"""FHIR JSON in and out with every digit kept: a posted `6.30` is stored and read back as `6.30`.

https://hl7.org/fhir/R4/json.html (decimals keep their precision, property names are unique, no empty values)
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import orjson

from fhir_lab.clock import instant
from fhir_lab.outcomes import BadRequest

Resource = dict[str, Any]

# Escapes of what no FHIR string may hold and no database stores: NUL, and halves of a surrogate pair.
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class ExactDecimal(Decimal):
    """A JSON number that remembers how it was written."""

    __slots__ = ("literal",)
    literal: str

    def __new__(cls, literal: str) -> "ExactDecimal":
        self = super().__new__(cls, literal)
        self.literal = literal
        return self

    def __reduce__(self) -> tuple[type["ExactDecimal"], tuple[str]]:
        return (ExactDecimal, (self.literal,))

    def __copy__(self) -> "ExactDecimal":
        return self

    def __deepcopy__(self, memo: object) -> "ExactDecimal":
        return self


def _integer(literal: str) -> int | ExactDecimal:
    return int(literal) if len(literal) < 18 and literal != "-0" else ExactDecimal(literal)


def number(literal: str) -> int | ExactDecimal:
    """A number written as JSON allows, as `parse` gives it. Raises `BadRequest` for one that no decimal can hold."""
    try:
        return _integer(literal) if literal.lstrip("-").isdigit() else ExactDecimal(literal)
    except InvalidOperation:
        raise _beyond() from None


def _constant(literal: str) -> NoReturn:
    raise BadRequest.of(f"{literal} is not a JSON number.", code="structure")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest.of(
            f"The property '{twice}' occurs twice in one object; each may occur once.", code="structure"
        )
    return result


_decoder = json.JSONDecoder(
    parse_float=ExactDecimal, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_object
)


def parse(body: bytes | str, max_depth: int = 100) -> Any:
    """JSON text as Python values; decimals become `ExactDecimal`.

    Raises `BadRequest` for text that is not UTF-8 or not JSON, for duplicate properties, for nesting beyond
    `max_depth`, and for NUL or half a surrogate pair in a string.
    """
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
    except UnicodeDecodeError as error:
        raise BadRequest.of(f"The body is not UTF-8: byte {error.start} cannot be read.", code="structure") from None
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise BadRequest.of(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.", code="structure"
        ) from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    except InvalidOperation:
        raise _beyond() from None
    # Counting brackets bounds the depth from above without walking the value; most bodies stop here.
    if text.count("{") + text.count("[") > max_depth:
        check_depth(value, max_depth)
    if _SUSPECT.search(text):
        _refuse_unstorable(value)
    return value


def _refuse_unstorable(value: Any) -> None:
    pending: list[tuple[str, Any]] = [(_root(value), value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, dict):
            pending += ((path, name) for name in item)
            pending += ((f"{path}.{name}", child) for name, child in item.items())
        elif isinstance(item, list):
            pending += ((f"{path}[{index}]", child) for index, child in enumerate(item))
        elif isinstance(item, str) and (found := _UNSTORABLE.search(item)):
            raise BadRequest.of(
                f"A string holds {ascii(found[0])[1:-1]}, which is not a character that FHIR allows.",
                path if path.isprintable() else _root(value),
                code="value",
            )


def _root(value: Any) -> str:
    named = value.get("resourceType") if isinstance(value, dict) else None
    return named if isinstance(named, str) and named.isalpha() else "http.body"


def check_depth(value: Any, max_depth: int) -> None:
    """Raises `BadRequest` for objects and arrays that are nested beyond `max_depth`."""
    if deeper_than(value, max_depth):
        raise _too_deep(max_depth)


def _beyond() -> BadRequest:
    return BadRequest.of("A number in the body is beyond every decimal.", code="structure")


def _too_deep(max_depth: int) -> BadRequest:
    return BadRequest.of(f"The body is nested deeper than {max_depth} levels.", code="structure")


def deeper_than(value: Any, limit: int) -> bool:
    """True when JSON of this value would nest objects and arrays in more than `limit` levels."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit + 1):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _exact(value: Any) -> Any:
    if isinstance(value, ExactDecimal):
        return orjson.Fragment(value.literal)
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: Any, *, pretty: bool = False, sort_keys: bool = False) -> bytes:
    """Python values as compact (or indented) UTF-8 JSON, decimals exactly as they were written."""
    option = (orjson.OPT_INDENT_2 if pretty else 0) | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    return orjson.dumps(value, default=_exact, option=option)


def stamped(resource: Resource, resource_id: str, version: int, last_updated: int) -> Resource:
    """A copy of `resource` with the server's id, `meta.versionId` and `meta.lastUpdated` (microseconds UTC)."""
    meta = {"versionId": str(version), "lastUpdated": instant(last_updated)}
    meta.update((name, value) for name, value in resource.get("meta", {}).items() if name not in meta)
    result: Resource = {"resourceType": resource["resourceType"], "id": resource_id, "meta": meta}
    result.update((name, value) for name, value in resource.items() if name not in result)
    return result
