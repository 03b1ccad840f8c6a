"""Is this code in the value set or code system, and is its display right?

https://hl7.org/fhir/R4/valueset-operation-validate-code.html
https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_lab.documents import Resource
from fhir_lab.search.values import normalise
from fhir_lab.terminology.compose import Composer
from fhir_lab.terminology.source import Source
from fhir_lab.terminology.systems import Concept, System

Coding = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `$validate-code` answers."""

    result: bool
    message: str = ""
    display: str = ""


def in_value_set(
    value_set: Resource, source: Source, codings: Sequence[Coding], *, abstract: bool = False, version: str = ""
) -> Verdict:
    """The verdict on the first coding that is a member, else on the first of all.

    Raises what `Composer.members` raises.
    """
    members = Composer(source).members(value_set)

    def judge(coding: Coding) -> Verdict:
        url, code = str(coding.get("system", "")), str(coding.get("code", ""))
        system = source.system(url, str(coding.get("version") or version)) if url else None
        concept = system.find(code) if system is not None else None
        if (url, concept.code if concept else code) not in members:
            name = value_set.get("url") or value_set.get("id") or "given"
            return Verdict(False, f"The code '{code}' of {url or 'no system'} is not in the value set {name}.")
        own = [str(each["display"]) for each in _told(value_set, url, code) if each.get("display")]
        return _judged(coding, concept, system, own, abstract)

    return _best(codings, judge)


def in_system(system: System, codings: Sequence[Coding], *, abstract: bool = False) -> Verdict:
    """The verdict on the first coding that is of the code system, else on the first of all."""

    def judge(coding: Coding) -> Verdict:
        url, code = str(coding.get("system") or system.url), str(coding.get("code", ""))
        if url != system.url:
            return Verdict(False, f"The coding is of {url}, not of {system.url}.")
        concept = system.find(code)
        if concept is None:
            more = "" if system.complete else f" Only a part of the code system is here (content '{system.content}')."
            return Verdict(False, f"The code '{code}' is not in {system.url}.{more}")
        return _judged(coding, concept, system, [], abstract)

    return _best(codings, judge)


def _best(codings: Sequence[Coding], judge: Callable[[Coding], Verdict]) -> Verdict:
    verdicts = [judge(coding) for coding in codings]
    if not verdicts:
        return Verdict(False, "There is no coding to validate.")
    return next((verdict for verdict in verdicts if verdict.result), verdicts[0])


def _judged(
    coding: Coding, concept: Concept | None, system: System | None, own: Sequence[str], abstract: bool
) -> Verdict:
    code = str(coding.get("code", ""))
    known = [*own, *_displays(concept)]
    shown = known[0] if known else ""
    if concept is not None and concept.abstract and not abstract:
        return Verdict(False, f"The code '{code}' is abstract: it heads others and is not used in data.", shown)
    given = str(coding.get("display", ""))
    if given and known and normalise(given) not in map(normalise, known):
        listed = ", ".join(f"'{text}'" for text in dict.fromkeys(known))
        return Verdict(False, f"'{given}' is not a display of the code '{code}', which has: {listed}.", shown)
    if concept is not None and concept.inactive:
        return Verdict(True, f"The code '{code}' is not to be used any more.", shown)
    if concept is None:
        where = "is not known here" if system is None else "is known here only in part"
        return Verdict(True, f"Whether '{code}' exists cannot be told: its code system {where}.", shown)
    if given and not known:
        return Verdict(True, f"Whether '{given}' is a display of the code '{code}' cannot be told: none is known here.")
    return Verdict(True, "", shown)


def _displays(concept: Concept | None) -> list[str]:
    if concept is None:
        return []
    texts = [concept.display, *(str(designation.get("value", "")) for designation in concept.designations)]
    return [text for text in texts if text]


def _told(value_set: Resource, system: str, code: str) -> Iterator[Mapping[str, Any]]:
    """What the value set itself says of a code: in its includes, and in its stored expansion."""
    for part in value_set.get("compose", {}).get("include", ()):
        if part.get("system") == system:
            yield from (each for each in part.get("concept", ()) if each.get("code") == code)
    waiting = list(value_set.get("expansion", {}).get("contains", ()))
    while waiting:
        item = waiting.pop()
        if (item.get("system"), item.get("code")) == (system, code):
            yield item
        waiting += item.get("contains", ())
