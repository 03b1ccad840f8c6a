"""Which stored patient, order and specimen does the message mean? And when must a person decide?

A patient is matched by any of the message's numbers; never by name or birth date. Numbers that lead to two patients
are held back; so is a number whose patient has another number of the same kind, unless name and birth date agree, or
has another name and another birth date; and so is an order that is stored under another patient. https://hl7.org/fhir/R4/patient.html#match
"""

from collections.abc import Iterable, Mapping, Sequence

from fhir_lab.documents import Resource
from fhir_lab.ingest.hl7v2.message import Reason
from mappers.hl7v2.datatypes import type_code
from mappers.hl7v2.draft import Draft
from mappers.hl7v2.identity import ORDER, Key

Stored = Mapping[Key, Sequence[Resource]]
Typed = dict[tuple[str, str], set[str]]


def match_patient(draft: Draft, stored: Stored) -> Reason | None:
    """Find the stored patient of a draft; the reason why a person has to decide, if one has to."""
    numbers = _typed(draft.resource)
    found: dict[str, Resource] = {}
    for key in draft.keys:
        types = [kind for (system, kind), values in numbers.items() if system == key.system and key.value in values]
        for resource in stored.get(key, ()):
            if _has(resource, key, types):
                found[resource["id"]] = resource
            else:
                # The number is there, but as another kind of number: not this patient, nor a reason to reuse it.
                draft.alone = True
    survivors = {_survivor(resource) or f"Patient/{name}" for name, resource in found.items()}
    if not found:
        return None
    chosen = next(iter(found.values()))
    if len(survivors) == 1 and (not _contradicts(chosen, draft, numbers) or _same_person(draft.resource, chosen)):
        if _somebody_else(draft.resource, chosen):
            return _other_person(draft, next(iter(survivors)))
        draft.stored = chosen
        draft.instead = _survivor(chosen)
        return None
    return Reason(
        "patient-ambiguous",
        draft.position,
        "PID-3",
        ", ".join(f"{key.value} ({key.system})" for key in draft.keys),
        "numbers that all belong to one patient",
        f"These numbers belong to {' and '.join(sorted(survivors))}, or contradict a number stored there. Find out who "
        "it is. Correct the stored patients and replay the message, or correct the numbers in a copy of the file and "
        "drop the copy into the inbox.",
    )


def _somebody_else(new: Resource, stored: Resource) -> bool:
    """True when both family name and birth date differ: one may be corrected or change, both at once is an error."""
    born, was_born = (resource.get("birthDate", "") for resource in (new, stored))
    called, was_called = _families(new), _families(stored)
    return bool(born and was_born and called and was_called) and born != was_born and not called & was_called


def _same_person(new: Resource, stored: Resource) -> bool:
    """True when family name and birth date are known and equal, so that a second number is only one more number."""
    born = new.get("birthDate")
    return bool(born) and born == stored.get("birthDate") and bool(_families(new) & _families(stored))


def _families(resource: Resource) -> set[str]:
    return {name["family"].casefold() for name in resource.get("name", []) if name.get("family")}


def _other_person(draft: Draft, reference: str) -> Reason:
    return Reason(
        "patient-differs",
        draft.position,
        "PID-5",
        f"{', '.join(sorted(_families(draft.resource)))}, born {draft.resource.get('birthDate')}",
        f"the family name or the birth date that is stored for {draft.keys[0].value}",
        f"Family name and birth date both differ from {reference}, which has this number. Find out whose results these "
        "are. Correct the stored patient and replay the message, or correct the number in a copy of the file and drop "
        "the copy into the inbox.",
    )


def _typed(resource: Resource) -> Typed:
    found: Typed = {}
    for identifier in resource.get("identifier", []):
        if "system" in identifier and "value" in identifier:
            found.setdefault((identifier["system"], type_code(identifier)), set()).add(identifier["value"])
    return found


def _has(resource: Resource, key: Key, types: list[str]) -> bool:
    """True when the resource has the number as the same kind of number, or one of the two has no kind."""
    kinds = [
        kind for (system, kind), values in _typed(resource).items() if system == key.system and key.value in values
    ]
    return any(not kind or "" in types or kind in types for kind in kinds)


def _contradicts(resource: Resource, draft: Draft, numbers: Typed) -> bool:
    """True when a stored patient has other numbers, and none of these, of a kind that identifies."""
    known = _typed(resource)
    identifying = {(key.system, key.value) for key in draft.keys}
    for (system, kind), values in numbers.items():
        said = {value for value in values if (system, value) in identifying}
        theirs = known.get((system, kind), set())
        if said and theirs and not said & theirs:
            return True
    return False


def _survivor(resource: Resource) -> str:
    """The reference to the patient that this one was merged into; empty if it was not."""
    links = resource.get("link", [])
    found = (link.get("other", {}).get("reference", "") for link in links if link.get("type") == "replaced-by")
    return str(next(found, ""))


def match(draft: Draft, stored: Stored) -> None:
    """Find the stored resource of any other draft.

    A request is also found by its placer and filler number; it then belongs to whoever placed it and is only referred
    to, and it must be no other report's.
    """
    for place, key in enumerate(draft.keys):
        for resource in stored.get(key, ()):
            if place == 0:
                draft.stored = resource
                return
            if all(identifier.get("system") != ORDER for identifier in resource.get("identifier", [])):
                draft.stored, draft.policy = resource, "create"
                return


def foreign(drafts: Iterable[Draft], patient: Draft) -> Reason | None:
    """Why an order cannot be stored under this patient: something of it is stored under another one."""
    own = {patient.instead, f"Patient/{patient.stored['id']}" if patient.stored else ""}
    for draft in drafts:
        subject = draft.stored.get("subject", {}).get("reference", "") if draft.stored else ""
        if subject and subject not in own:
            return Reason(
                "other-patient",
                draft.position,
                "",
                f"{draft.type}/{draft.stored['id'] if draft.stored else ''} of {subject}",
                "an order or specimen number that no other patient has",
                "This number is stored under another patient: a mixed-up specimen, a wrong patient or a reused number. "
                "Find out which and correct it before the message is replayed.",
            )
    return None
