"""Which slice an item belongs to: discriminators by value, pattern, type, existence and profile.

https://hl7.org/fhir/R4/profiling.html#discriminator
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fhir_lab.fhirpath import Node
from fhir_lab.fhirpath.compare import same_value
from fhir_lab.fhirpath.nodes import children, is_a
from fhir_lab.search.expressions import reference_type
from fhir_lab.validation.profiles.definition import BASE, Element
from fhir_lab.validation.profiles.values import coded, fits, said, stated

if TYPE_CHECKING:
    from fhir_lab.validation.profiles.check import Run

Json = dict[str, Any]
# True when an item is of the slice.
Belongs = Callable[[Node, "Run"], bool]

_EXTENSION_STEP = re.compile(r"extension\(['\"]([^'\"]+)['\"]\)")
_OF_TYPE = re.compile(r"ofType\(([A-Za-z]+)\)")
_STEP = re.compile(r"(?:[^.()]|\([^)]*\))+")


class UndecidableError(ValueError):
    """A discriminator that cannot tell the slices apart here; says why."""


def discriminators_of(element: Element) -> list[tuple[str, str]]:
    """(type, path) of the discriminators of a sliced element; choices are told apart by type, extensions by url."""
    stated_ = element.says.get("slicing", {}).get("discriminator")
    if stated_:
        return [(each.get("type", ""), each.get("path", "")) for each in stated_]
    if element.choice:
        return [("type", "$this")]
    if element.name in ("extension", "modifierExtension"):
        return [("value", "url")]
    return []


def belongs_to(element: Element, part: Element) -> Belongs:
    """The test of whether an item is of a slice. Raises `UndecidableError` where nothing tells."""
    discriminators = discriminators_of(element)
    if not discriminators:
        raise UndecidableError("the slicing has no discriminator")
    tests = [_test(kind, path, part) for kind, path in discriminators]
    return lambda node, run: all(test(node, run) for test in tests)


def _test(kind: str, path: str, part: Element) -> Belongs:
    steps = [] if path in ("", "$this") else _STEP.findall(path)
    if kind == "type":
        return _by_type(steps, part)
    if kind == "exists":
        return _by_existence(steps, part)
    if kind == "profile":
        return _by_profile(steps, part)
    if kind in ("value", "pattern"):
        return _by_value(steps, part)
    raise UndecidableError(f"the discriminator type '{kind}' is not known")


def walk_to(node: Node, steps: list[str]) -> list[Node]:
    """The nodes that a discriminator path leads to."""
    found = [node]
    for step in steps:
        if match := _EXTENSION_STEP.fullmatch(step):
            url = match[1]
            found = [
                each
                for parent in found
                for each in children(parent, "extension")
                if isinstance(each[0], dict) and each[0].get("url") == url
            ]
        elif match := _OF_TYPE.fullmatch(step):
            found = [each for each in found if is_a(each, match[1])]
        elif step == "resolve()":
            raise UndecidableError("what a reference names is not looked up")
        else:
            found = [each for parent in found for each in children(parent, step)]
    return found


def _definition_at(part: Element, steps: list[str]) -> tuple[Element | None, Any]:
    """The element of the slice at a path, and the value that a fixed value or pattern above it gives for the path."""
    element: Element | None = part
    inherited: Any = None
    for step in steps:
        if step == "resolve()":
            raise UndecidableError("what a reference names is not looked up")
        own = _fixed_or_pattern(element) if element else None
        inherited = _inside(own if own is not None else inherited, step)
        if match := _EXTENSION_STEP.fullmatch(step):
            element = _extension(element, match[1])
        elif not _OF_TYPE.fullmatch(step):
            element = element.children.get(step) if element else None
    return element, inherited


def _extension(element: Element | None, url: str) -> Element | None:
    extensions = element.children.get("extension") if element else None
    for each in extensions.slices.values() if extensions else ():
        if url in _profiles(each) or _fixed_or_pattern(each.children.get("url")) == url:
            return each
    return None


def _inside(value: Any, step: str) -> Any:
    if isinstance(value, list):
        return next((found for each in value if (found := _inside(each, step)) is not None), None)
    return value.get(step) if isinstance(value, dict) else None


def _fixed_or_pattern(element: Element | None) -> Any:
    if element is None:
        return None
    fixed = stated(element.says, "fixed")
    return fixed if fixed is not None else stated(element.says, "pattern")


def _profiles(element: Element) -> list[str]:
    return [url for each in element.says.get("type", []) for url in each.get("profile", [])]


def _by_value(steps: list[str], part: Element) -> Belongs:
    element, wanted = _definition_at(part, steps)
    if element is not None:
        if (fixed := stated(element.says, "fixed")) is not None:
            return lambda node, _run: any(same_value(each[0], fixed) for each in walk_to(node, steps))
        if (pattern := stated(element.says, "pattern")) is not None:
            return lambda node, _run: any(fits(each[0], pattern) for each in walk_to(node, steps))
    if wanted is not None:
        wanted_parts = wanted if isinstance(wanted, list) else [wanted]
        return lambda node, _run: all(any(fits(each[0], one) for each in walk_to(node, steps)) for one in wanted_parts)
    if steps == ["url"] and _profiles(part):
        urls = frozenset(url.partition("|")[0] for url in _profiles(part))
        return lambda node, _run: isinstance(node[0], dict) and node[0].get("url") in urls
    if element is not None and (binding := element.says.get("binding", {})).get("strength") == "required":
        return _by_binding(steps, binding.get("valueSet", ""))
    raise UndecidableError(f"the slice fixes nothing at {'.'.join(steps) or '$this'}")


def _by_binding(steps: list[str], value_set: str) -> Belongs:
    def test(node: Node, run: "Run") -> bool:
        codes = run.codes(value_set)
        if codes is None:
            raise UndecidableError(f"the value set {value_set} is not known here")
        return any(codes(*pair) for each in walk_to(node, steps) for pair in coded(each))

    return test


def _by_type(steps: list[str], part: Element) -> Belongs:
    if steps[-1:] == ["resolve()"]:
        return _by_target(steps[:-1], part)
    element = _definition_at(part, steps)[0]
    codes = (element.codes() if element else None) or ([type_ for _, type_ in part.types] if not steps else None)
    if not codes:
        raise UndecidableError(f"the slice names no type at {'.'.join(steps) or '$this'}")
    wanted = tuple(codes)
    return lambda node, _run: any(is_a(each, code) for each in walk_to(node, steps) for code in wanted)


def _by_target(steps: list[str], part: Element) -> Belongs:
    element = _definition_at(part, steps)[0]
    profiles = [
        url for each in (element.says.get("type", []) if element else []) for url in each.get("targetProfile", [])
    ]
    if not profiles:
        raise UndecidableError("the slice names no targetProfile")

    def test(node: Node, run: "Run") -> bool:
        wanted = {run.type_of(url) for url in profiles}
        return any(reference_type(each[0]) in wanted for each in walk_to(node, steps) if isinstance(each[0], dict))

    return test


def _by_existence(steps: list[str], part: Element) -> Belongs:
    element = _definition_at(part, steps)[0]
    if element is not None and element.says.get("max") == "0":
        return lambda node, _run: not walk_to(node, steps)
    if element is not None and element.says.get("min", element.card[0]) > 0:
        return lambda node, _run: bool(walk_to(node, steps))
    raise UndecidableError(f"the slice does not say whether {'.'.join(steps)} is there")


def _by_profile(steps: list[str], part: Element) -> Belongs:
    element = _definition_at(part, steps)[0]
    profiles = _profiles(element) if element else []
    if not profiles or "resolve()" in steps:
        raise UndecidableError("the slice names no profile that can be checked here")
    return lambda node, run: any(run.conforms(each, url) for each in walk_to(node, steps) for url in profiles)


def described(element: Element, part: Element) -> str:
    """What makes an item one of a slice, for a message; '' where it takes more than a phrase."""
    for kind, path in discriminators_of(element):
        steps = [] if path in ("", "$this") else _STEP.findall(path)
        try:
            found, wanted = _definition_at(part, steps)
        except UndecidableError:
            continue
        value = _fixed_or_pattern(found) if found else None
        value = wanted if value is None else value
        if value is not None:
            return f" ({path} {said(value)})"
        if kind == "type" and found and found.codes():
            return f" ({', '.join(found.codes()).replace(BASE, '')})"
        if path == "url" and _profiles(part):
            return f" (url {_profiles(part)[0]})"
    return ""
