"""What the mappers share: data types of FHIR taken apart into columns, and put together again.

https://hl7.org/fhir/R4/datatypes.html. Readers accept any JSON and answer None where nothing fits; builders leave out
what is empty, so that no empty element is ever made.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from fhir_lab.documents import ExactDecimal

Element = Mapping[str, Any]
Resolve = Callable[[str], int | None]

# The type in a literal reference: relative or absolute, with or without a version.
_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def compact(**elements: Any) -> dict[str, Any]:
    """The elements that are not empty."""
    return {name: value for name, value in elements.items() if value is not None and value not in ("", [], {})}


def text(value: Any) -> str | None:
    """A FHIR string, or None."""
    return value if isinstance(value, str) and value else None


def boolean(value: Any) -> bool | None:
    """A FHIR boolean, or None."""
    return value if isinstance(value, bool) else None


def part(element: Any, name: str) -> Element:
    """The complex child `name` of an element, its first repetition where it repeats; {} where there is none."""
    child = element.get(name)
    if isinstance(child, list):
        child = child[0] if child else None
    return child if isinstance(child, dict) else {}


def parts(element: Element, name: str) -> Iterable[Element]:
    """Every repetition of the complex child `name`."""
    child = element.get(name)
    return (item for item in (child if isinstance(child, list) else [child]) if isinstance(item, dict))


def coding(concept: Element) -> tuple[str | None, str | None, str | None]:
    """System, code and display of a CodeableConcept's first Coding."""
    first = part(concept, "coding")
    return text(first.get("system")), text(first.get("code")), text(first.get("display"))


def concept_columns(concept: Element, prefix: str, code: str) -> dict[str, Any]:
    """A CodeableConcept as the columns `{prefix}_system`, `code`, `{prefix}_display` and `{prefix}_text`."""
    system, value, display = coding(concept)
    return {
        f"{prefix}_system": system,
        code: value,
        f"{prefix}_display": display,
        f"{prefix}_text": text(concept.get("text")),
    }


def concept(row: Mapping[str, Any], prefix: str, code: str) -> Element:
    """The CodeableConcept that the columns of `concept_columns` say."""
    first = compact(system=row.get(f"{prefix}_system"), code=row.get(code), display=row.get(f"{prefix}_display"))
    return compact(coding=[first] if first else None, text=row.get(f"{prefix}_text"))


def code_in(system: str, concepts: Iterable[Element]) -> str | None:
    """The first code of this code system among the concepts."""
    for each in concepts:
        for item in parts(each, "coding"):
            if item.get("system") == system and (code := text(item.get("code"))):
                return code
    return None


def coded(system: str, code: Any) -> Element | None:
    """A CodeableConcept with one code of a code system, None without a code."""
    return {"coding": [{"system": system, "code": code}]} if code else None


def identifier_columns(identifier: Element, prefix: str) -> dict[str, Any]:
    """An Identifier as the columns `{prefix}_system` and `{prefix}_value`."""
    return {f"{prefix}_system": text(identifier.get("system")), f"{prefix}_value": text(identifier.get("value"))}


def identifier(row: Mapping[str, Any], prefix: str, **elements: Any) -> Element:
    """The Identifier that the columns of `identifier_columns` say, {} without a system or value."""
    said = compact(system=row.get(f"{prefix}_system"), value=row.get(f"{prefix}_value"))
    return {**elements, **said} if said else {}


def local(reference: Element, target: str, resolve: Resolve) -> int | None:
    """The pk of a local target of the type `target` that a Reference names, else None."""
    literal = reference.get("reference")
    if not isinstance(literal, str):
        return None
    match = _REFERENCE.search(literal)
    return resolve(literal) if match and match[1] == target else None


def first_local(element: Element, name: str, target: str, resolve: Resolve) -> int | None:
    """The pk of the first of several References that names a local target of the type `target`."""
    return next((pk for each in parts(element, name) if (pk := local(each, target, resolve)) is not None), None)


def referred(row: Mapping[str, Any], column: str, reference: Callable[[str, int], str | None]) -> Element | None:
    """The Reference that a foreign key column says, None where it is empty."""
    pk = row.get(column)
    literal = reference(column, pk) if pk is not None else None
    return {"reference": literal} if literal else None


def repeated(item: Any) -> list[Any] | None:
    """An element as the only repetition of a repeating one."""
    return [item] if item else None


def literal(value: Any) -> str | None:
    """A JSON number exactly as it was written, or None."""
    if isinstance(value, ExactDecimal):
        return value.literal
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    return None


def double(value: Any) -> float | None:
    """A JSON number as a double, None where it is none or too large for one."""
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def number(written: str | None) -> Any:
    """The JSON number that was written so. What is no number stays text, for the validator to refuse."""
    if written is None:
        return None
    match = _NUMBER.fullmatch(written)
    if not match:
        return written
    whole = match[2] is None and match[3] is None and len(written) < 18 and written != "-0"
    return int(written) if whole else ExactDecimal(written)
