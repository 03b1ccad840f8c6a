"""The code systems and value sets that come with the server: those R4 requires, and those a laboratory needs.

https://hl7.org/fhir/R4/terminologies-systems.html. Of the required value sets the codes are known, without displays; a
code system is complete here where a value set of the same name takes all of it. Of large systems (LOINC, specimen
types) only what laboratories use most is here, and said to be a fragment.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conformance import required_codes, terminology
from fhir_lab.documents import Resource

R4 = "http://hl7.org/fhir/"


def code_systems() -> dict[str, Resource]:
    """Id -> CodeSystem."""
    found = {}
    for url, codes in _required().items():
        of_same_name = required_codes().get(f"{R4}ValueSet/{_id(url)}", ())
        complete = {code for system, code in of_same_name if system == url} == set(codes)
        found[_id(url)] = _code_system(url, "complete" if complete else "fragment", [{"code": code} for code in codes])
    for url, entry in terminology()["systems"].items():
        concepts = [_concept(code, *told) for code, told in entry["concepts"].items()]
        more = {name: entry[name] for name in ("copyright",) if name in entry}
        found[_id(url)] = _code_system(url, entry["content"], concepts) | more
    return found


def value_sets() -> dict[str, Resource]:
    """Id -> ValueSet."""
    found = {_id(url): _value_set(url, _listed(pairs)) for url, pairs in required_codes().items()}
    for url, system in terminology()["valueSets"].items():
        found[_id(url)] = _value_set(url, [{"system": system}])
    return found


def _required() -> dict[str, dict[str, None]]:
    """System -> its codes in the value sets of required bindings."""
    found: dict[str, dict[str, None]] = {}
    for pairs in required_codes().values():
        for system, code in pairs:
            found.setdefault(system, {})[code] = None
    return found


def _id(url: str) -> str:
    last = url.rstrip("/").rpartition("/")[2]
    return "loinc" if last == "loinc.org" else last.replace(":", "-").replace("_", "-")[-64:]


def _head(resource_type: str, url: str) -> Resource:
    version = {"version": "4.0.1"} if url.startswith(R4) else {}
    name = "".join(part[:1].upper() + part[1:] for part in _id(url).replace(".", "-").split("-"))
    own = {"resourceType": resource_type, "url": url, **version, "name": name, "status": "active"}
    return {**own, "experimental": False, "publisher": "Health Level Seven International"}


def _code_system(url: str, content: str, concepts: Sequence[Mapping[str, Any]]) -> Resource:
    own = {"caseSensitive": True, "content": content, "count": len(concepts)}
    properties = [
        {"code": name, "uri": f"{R4}concept-properties#{name}", "type": kind}
        for name, kind in (("parent", "code"), ("notSelectable", "boolean"))
        if any(each["code"] == name for concept in concepts for each in concept.get("property", ()))
    ]
    meaning = {"hierarchyMeaning": "is-a"} if properties else {}
    listed = {"property": properties} if properties else {}
    return {**_head("CodeSystem", url), **own, **meaning, **listed, "concept": list(concepts)}


def _concept(code: str, display: str, parents: Iterable[str] = (), abstract: bool = False) -> Resource:
    properties: list[Resource] = [{"code": "parent", "valueCode": parent} for parent in parents]
    if abstract:
        properties.append({"code": "notSelectable", "valueBoolean": True})
    return {"code": code, "display": display, **({"property": properties} if properties else {})}


def _value_set(url: str, include: Sequence[Mapping[str, Any]]) -> Resource:
    return {**_head("ValueSet", url), "compose": {"include": list(include)}}


def _listed(pairs: Iterable[Sequence[str]]) -> list[Resource]:
    codes: dict[str, list[Resource]] = {}
    for system, code in pairs:
        codes.setdefault(system, []).append({"code": code})
    return [{"system": system, "concept": concepts} for system, concepts in codes.items()]
