"""A posted SearchParameter: what it defines for each of its types, and everything that is wrong with it.

https://hl7.org/fhir/R4/searchparameter.html
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_lab.documents import Resource
from fhir_lab.outcomes import Issue
from fhir_lab.search.elements import levels
from fhir_lab.search.expressions import compile_strictly
from fhir_lab.search.fhirpath import UnsupportedError
from fhir_lab.search.registry import SUITING, Component, Registry, SearchParameter

EFFECTIVE = ("active", "draft")
LONGEST = 1000
NOT_DOMAIN = frozenset({"Bundle", "Binary", "Parameters"})
MEANING = "Only paths, unions, where(), as(), ofType(), exists(), extension('url') and resolve() is Type are understood"
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
# An element of any type, such as Extension.value, without the type that is meant.
_OPEN = re.compile(r"\bvalue\b(?!\s*\.\s*(?:as|ofType)\s*\(|\s+as\b)")


@dataclass(frozen=True, slots=True)
class Definition:
    """A search parameter of one type as posted, still without ids; `parts` are those of a composite."""

    parameter: SearchParameter
    parts: tuple[SearchParameter, ...] = ()


@dataclass(slots=True)
class Posted:
    """What was found: the definitions, or the issues that keep them from having an effect."""

    definitions: list[Definition] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


def read(resource: Resource, registry: Registry) -> Posted:
    """What a valid SearchParameter resource defines; nothing unless it is active or a draft.

    One that repeats a parameter of R4 (the same `url`, or derived from it) defines nothing new.
    """
    found = Posted()
    if resource.get("status") not in EFFECTIVE:
        return found
    found.issues += _of_itself(resource)
    if found.issues:
        return found
    for base in _bases(resource, registry):
        builtin = registry.get(base, resource["code"])
        if builtin is None or builtin.custom:
            _define(found, resource, base, registry)
        elif builtin.url not in (resource["url"], resource.get("derivedFrom", "").partition("|")[0]):
            found.issues.append(
                Issue(
                    "duplicate",
                    f"{base} has the search parameter '{builtin.code}' already, {builtin.url}; choose another code, or "
                    "name that one in derivedFrom.",
                    ("SearchParameter.code",),
                )
            )
    return found


def _of_itself(resource: Resource) -> Iterator[Issue]:
    code, kind = resource["code"], resource["type"]
    if not _CODE.fullmatch(code) or code.startswith("combo-"):
        yield Issue(
            "value",
            f"'{code[:80]}' cannot be the name of a custom parameter: letters, digits, '-' and '_' after a letter, "
            "at most 64, and not combo-.",
            ("SearchParameter.code",),
        )
    if kind not in (*SUITING, "composite"):
        kinds = ", ".join((*SUITING, "composite"))
        yield Issue("not-supported", f"The type '{kind}' is not supported; {kinds} are.", ("SearchParameter.type",))
    if not resource.get("expression"):
        yield Issue("required", "An expression is needed, or nothing could be found.", ("SearchParameter.expression",))
    parts = resource.get("component", [])
    if kind == "composite" and len(parts) < 2:
        yield Issue("required", "A composite needs at least two components.", ("SearchParameter.component",))


def _bases(resource: Resource, registry: Registry) -> list[str]:
    bases = resource["base"]
    if "Resource" in bases:
        return list(registry.types)
    if "DomainResource" in bases:
        return [name for name in registry.types if name not in NOT_DOMAIN or name in bases]
    return list(dict.fromkeys(bases))


def _define(found: Posted, resource: Resource, base: str, registry: Registry) -> None:
    where = "SearchParameter.expression"
    if resource["type"] == "composite":
        found.issues += _define_composite(found, resource, base, registry)
        return
    found.issues += _expression(resource["expression"], base, resource["type"], where)
    targets = tuple(resource.get("target", ()))
    parameter = _parameter(resource, base, expression=resource["expression"], targets=targets)
    found.definitions.append(Definition(parameter))


def _define_composite(found: Posted, resource: Resource, base: str, registry: Registry) -> Iterator[Issue]:
    root = resource["expression"]
    try:
        repeated = levels(root, base) if len(root) <= LONGEST else 2
    except (UnsupportedError, RecursionError) as error:
        yield Issue(
            "value", f"'{root}' cannot be read for {base}: {error}. {MEANING}.", ("SearchParameter.expression",)
        )
        return
    if repeated > 1:
        yield Issue(
            "not-supported",
            f"'{root[:200]}' repeats within what repeats; parts can be paired in one repeated element.",
            ("SearchParameter.expression",),
        )
        return
    kinds = {parameter.url: parameter.kind for name in (*registry.types, base) for parameter in registry.indexed(name)}
    parts: list[SearchParameter] = []
    components: list[Component] = []
    for index, part in enumerate(resource["component"]):
        where = f"SearchParameter.component[{index}]"
        url = part["definition"].partition("|")[0]
        kind = kinds.get(url, "")
        if kind not in SUITING:
            yield Issue("not-found", f"'{url}' is not a search parameter that has values.", (f"{where}.definition",))
            continue
        expression, whole = _joined(root, part["expression"], base)
        yield from _expression(expression, base, kind, f"{where}.expression")
        code = f"{resource['code']}${index}"
        parts.append(_parameter(resource, base, code=code, kind=kind, expression=expression))
        components.append(Component(code, url, whole or not repeated, part["expression"]))
    parameter = _parameter(resource, base, expression=root, components=tuple(components))
    found.definitions.append(Definition(parameter, tuple(parts)))


def _parameter(resource: Resource, base: str, **more: Any) -> SearchParameter:
    known = {"id": 0, "type": base, "code": resource["code"], "kind": resource["type"], "url": resource["url"]}
    return SearchParameter(**known | more)


def _joined(root: str, part: str, base: str) -> tuple[str, bool]:
    """A component's expression from the resource on, and True when it speaks of the resource as a whole."""
    if part.startswith("%resource."):
        return part.replace("%resource.", f"{base}."), True
    return " | ".join(f"({root}).{branch.strip()}" for branch in _branches(part)), False


def _branches(text: str) -> Sequence[str]:
    """The operands of a union, outside of parentheses and quotes."""
    found, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == "'"
        depth += (character == "(") - (character == ")")
        if character == "|" and not quoted and not depth:
            found.append("")
        else:
            found[-1] += character
    return found


def _expression(text: str, base: str, kind: str, where: str) -> Iterator[Issue]:
    if len(text) > LONGEST or any(len(_OPEN.findall(branch)) > 2 for branch in text.split("|")):
        yield Issue(
            "too-costly", f"The expression is too wide: at most {LONGEST} characters, and types named.", (where,)
        )
        return
    try:
        _, types = compile_strictly(text, base)
    except (UnsupportedError, RecursionError) as error:
        yield Issue("value", f"'{text}' cannot be read for {base}: {error}. {MEANING}.", (where,))
        return
    if not types & SUITING[kind]:
        shown = ", ".join(sorted(types)[:10]) or "nothing"
        suiting = ", ".join(sorted(SUITING[kind]))
        yield Issue("value", f"'{text}' finds {shown}, which a {kind} parameter cannot hold: {suiting}.", (where,))
