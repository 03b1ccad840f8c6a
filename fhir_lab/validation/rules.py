"""The invariants of `conformance/invariants.json`, compiled for the types and elements they belong to.

Some are functions in `invariants.py` and elsewhere, because they are asked of every resource. Those that 4.0.1
publishes wrong are evaluated as `conformance/invariant-notes.json` corrects them. https://hl7.org/fhir/R4/conformance-rules.html
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import conformance
from fhir_lab.fhirpath import Condition, Context, EvaluationError, Node, UnsupportedError, condition
from fhir_lab.validation.walk import Check, Walk

# The invariants that Python functions check, and where.
IN_CODE = {
    **dict.fromkeys(("dom-2", "dom-3", "dom-4", "dom-5"), "invariants.contained_rules"),
    **dict.fromkeys(("bdl-1", "bdl-2", "bdl-3", "bdl-4", "bdl-7", "bdl-8", "bdl-9", "bdl-10"), "invariants._bundle"),
    **dict.fromkeys(("bdl-11", "bdl-12"), "invariants._bundle"),
    **dict.fromkeys(("bdl-5", "obs-3", "pat-1"), "invariants._some_of"),
    **dict.fromkeys(("att-1", "cpt-2", "prr-1", "qty-3"), "invariants._needs"),
    "obs-6": "invariants._absent_reason_excludes_value",
    "obs-7": "invariants._component_repeats_code",
    "per-1": "invariants._period_runs_forward",
    "ref-1": "references._contained",
    **dict.fromkeys(("txt-1", "txt-2"), "narrative.xhtml"),
}


# Quantities that the base specification profiles as SimpleQuantity, which has an invariant of its own, sqty-1.
# https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity
SIMPLE_QUANTITIES = frozenset(
    {
        *(
            "Range.low",
            "Range.high",
            "SampledData.origin",
            "Dosage.maxDosePerAdministration",
            "Dosage.maxDosePerLifetime",
        ),
        *("Observation.referenceRange.low", "Observation.referenceRange.high"),
        *("Specimen.collection.quantity", "Specimen.container.capacity", "Specimen.container.specimenQuantity"),
    }
)
_SIMPLE = {"key": "sqty-1", "severity": "error", "expression": "comparator.empty()"}
# What a profile repeats from the base specification need not be asked again.
ALWAYS_CHECKED = frozenset(
    {"ele-1", "ext-1", "sqty-1"}
    | {rule["key"] for rules in conformance.invariants().values() for each in rules.values() for rule in each}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One invariant of an element, or constraint of a profile: `says` is what it asks, as part of a sentence."""

    key: str
    severity: str
    says: str
    condition: Condition

    def check(self, node: Node, path: str, walk: Walk) -> None:
        """Note it where the invariant is broken: where its expression is not true."""
        triggers = self.condition.triggers
        if triggers is not None and isinstance(node[0], dict) and triggers.isdisjoint(node[0]):
            return
        try:
            holds = self.condition.holds(node, Context(walk.resource, walk.root, node))
        except EvaluationError as error:
            if not walk.issues:  # what is broken otherwise may be why
                walk.add("invariant", path, f"{self.says} ({self.key}): {error}.", self.severity)
            return
        if holds is not True:
            walk.add("invariant", path, f"{self.says} ({self.key}).", self.severity)


@cache
def rules_of(path: str) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """The errors and the warnings of a type or element of the base specification."""
    rules = [_rule(path, each) for each in _published(path) if each["key"] not in IN_CODE]
    return (
        tuple(rule for rule in rules if rule.severity == "error"),
        tuple(rule for rule in rules if rule.severity != "error"),
    )


def _published(path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = conformance.invariants().get(path.partition(".")[0], {}).get(path, [])
    return [*found, _SIMPLE] if path in SIMPLE_QUANTITIES else found


def note_of(key: str, path: str) -> dict[str, str]:
    """What is said of an invariant, and its corrected expression and why, if it is published wrong."""
    notes = conformance.invariant_notes()
    name = "*-0" if key.endswith("-0") else key
    found: dict[str, str] = notes.get(f"{path.partition('.')[0]}/{key}") or notes[name]
    return found


def _rule(path: str, published: dict[str, Any]) -> Rule:
    key = published["key"]
    note = note_of(key, path)
    compiled = condition(note.get("expression", published["expression"]), path)
    return Rule(key, published["severity"], note["says"], compiled)


def rule_of(key: str, severity: str, says: str, expression: str, type_: str) -> Rule:
    """A rule from its parts. Raises `UnsupportedError` when the expression cannot be evaluated."""
    try:
        return Rule(key, severity, says, condition(expression, type_))
    except UnsupportedError as error:
        raise UnsupportedError(f"'{expression[:200]}' cannot be evaluated: {error}") from None


def ruled(check: Check, path: str, fhir_type: str) -> Check:
    """`check` and then the invariants of the element at `path`, whose content is of a type defined elsewhere."""
    errors, warnings = rules_of(path)
    if not errors and not warnings:
        return check

    def checked(value: Any, at: str, walk: Walk, parent: dict[str, Any]) -> None:
        check(value, at, walk, parent)
        for rule in (*errors, *warnings) if walk.thorough else errors:
            rule.check((value, fhir_type, None), at, walk)

    return checked
