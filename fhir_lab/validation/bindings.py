"""Required bindings: a code, or a coding of a CodeableConcept, must be of the element's value set.

https://hl7.org/fhir/R4/terminologies.html#required
"""

from typing import Any

import conformance
from fhir_lab.validation.walk import Check, Walk, listed, shown


def bound(content: Check, fhir_type: str, value_set: str) -> Check:
    """`content` plus the binding, for the types that are bound by code; value sets without a list are not checked."""
    pairs = conformance.required_codes().get(value_set)
    if not pairs:
        return content
    if fhir_type == "code":
        return _bound_code(content, [code for _, code in pairs])
    if fhir_type == "CodeableConcept":
        return _bound_concept(content, [(system, code) for system, code in pairs])
    return content


def _bound_code(content: Check, codes: list[str]) -> Check:
    known = frozenset(codes)
    allowed = listed(codes)

    def check(value: Any, path: str, walk: Walk, parent: dict[str, Any]) -> None:
        if type(value) is not str or not value:
            content(value, path, walk, parent)
        elif value not in known:
            walk.add("code-invalid", path, f"{shown(value)} is not one of {allowed}.{walk.near(value, codes)}")

    return check


def _bound_concept(content: Check, pairs: list[tuple[str, str]]) -> Check:
    known = frozenset(pairs)
    allowed = listed([f"{system}|{code}" for system, code in pairs], most=12)

    def check(value: Any, path: str, walk: Walk, parent: dict[str, Any]) -> None:
        content(value, path, walk, parent)
        codings = value.get("coding", []) if isinstance(value, dict) else None
        if not isinstance(codings, list):
            return
        found = [(each.get("system"), each.get("code")) for each in codings if isinstance(each, dict)]
        if not any(pair in known for pair in found if all(isinstance(each, str) for each in pair)):
            said = shown(f"{found[0][0]}|{found[0][1]}") if found else "no coding"
            walk.add("code-invalid", path, f"{said} where one of {allowed} is required.")

    return check
