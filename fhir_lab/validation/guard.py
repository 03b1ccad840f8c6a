"""The guard: every type of FHIR 4.0.1 compiled from `conformance/elements.json` to a shape that checks JSON.

It knows names, cardinality, JSON types, primitive syntax, required bindings, reference targets, choices, empty values
and contained resources. A shape compiles when it is first met; a check then walks the document once.
https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/elementdefinition.html
"""

from collections.abc import Iterable
from typing import Any

import conformance
from fhir_lab.validation.bindings import bound
from fhir_lab.validation.invariants import INVARIANTS, contained_rules
from fhir_lab.validation.narrative import xhtml
from fhir_lab.validation.primitives import PRIMITIVES
from fhir_lab.validation.references import reference_check
from fhir_lab.validation.rules import Rule, ruled, rules_of
from fhir_lab.validation.walk import Check, Walk, listed, shown

Json = dict[str, Any]


class Guard:
    """The shapes of all types; one for the life of the process is enough."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}

    def shape(self, path: str) -> "Shape":
        """The shape of a type (`Observation`, `Period`) or of an element with children (`Observation.component`)."""
        found = self._shapes.get(path)
        if found is None:
            kind = ResourceShape if is_resource(path) else Shape
            found = self._shapes[path] = kind(self, path)
        return found

    def any_resource(self, value: Any, path: str, walk: Walk, parent: Json) -> None:
        """Check a resource of whatever type it says."""
        shape = self._named(value, path, walk)
        if shape:
            shape.check(value, path, walk, parent)

    def contained(self, value: Any, path: str, walk: Walk, parent: Json) -> None:
        """Check one contained resource; its references resolve in the resource that contains it."""
        shape = self._named(value, path, walk)
        if shape:
            around, walk.inside, walk.resource = (
                (walk.inside, walk.resource),
                str(value.get("id", "")),
                (value, shape.path, None),
            )
            shape.check_content(value, path, walk, parent)
            walk.inside, walk.resource = around

    def _named(self, value: Any, path: str, walk: Walk) -> "ResourceShape | None":
        if type(value) is not dict:
            walk.add("structure", path, f"{shown(value)} where a resource, a JSON object, is required.")
            return None
        name = value.get("resourceType")
        if isinstance(name, str) and is_resource(name):
            shape = self.shape(name)
            assert isinstance(shape, ResourceShape)
            return shape
        close = walk.near(name, filter(is_resource, conformance.elements())) if isinstance(name, str) else ""
        walk.add("structure", f"{path}.resourceType", f"{shown(name)} is not a resource type of R4.{close}")
        return None


def is_resource(name: str) -> bool:
    """True for the name of a concrete resource type."""
    definition = conformance.elements().get(name)
    return definition is not None and definition["kind"] == "resource" and not definition["abstract"]


class Shape:
    """What a JSON object of one type may hold."""

    def __init__(self, guard: Guard, path: str) -> None:
        self.guard = guard
        self.path = path
        self.elements = children(path)
        self.invariants = INVARIANTS.get(path, ())
        self.rules: tuple[Rule, ...] = ()
        self.all_rules: tuple[Rule, ...] = ()
        self.properties: dict[str, Check] = {}
        self.required: list[tuple[tuple[str, ...], str, str]] = []
        self.choices: list[tuple[frozenset[str], str]] = []
        self._compiled = False

    def check(self, value: Any, path: str, walk: Walk, parent: Json) -> None:
        """The check of an element of this type."""
        if type(value) is not dict:
            walk.add("structure", path, f"{shown(value)} where a JSON object is required.")
        elif not value:
            walk.add("structure", path, "an empty object is not allowed; leave the element out.")
        elif len(value) == 1 and "id" in value:
            walk.add("invariant", path, "an element with nothing but an id says nothing (ele-1).")
        else:
            self.check_content(value, path, walk, parent)

    def check_identified(self, value: Any, path: str, walk: Walk, parent: Json) -> None:
        """The check of what stands beside a value, which may have nothing but an id."""
        if type(value) is dict and len(value) == 1 and "id" in value:
            self.check_content(value, path, walk, parent)
        else:
            self.check(value, path, walk, parent)

    def check_content(self, value: Json, path: str, walk: Walk, _parent: Json) -> None:
        """Check every property of an object, then what is missing."""
        if not self._compiled:
            self._compile()
        properties = self.properties
        for name, child in value.items():
            check = properties.get(name)
            if check is not None:
                check(child, f"{path}.{name}", walk, value)
            else:
                self._stray(name, path, walk)
        for names, label, rule in self.required:
            for name in names:
                if name in value:
                    break
            else:
                walk.add("required", f"{path}.{label}", f"missing; {rule}.")
        for allowed, label in self.choices:
            found = value.keys() & allowed
            if len(found) > 1 and len({name.lstrip("_") for name in found}) > 1:
                walk.add(
                    "structure",
                    f"{path}.{label}",
                    f"{listed(sorted(found))} exclude each other; one of them is allowed.",
                )
        for invariant in self.invariants:
            invariant(value, path, walk)
        if rules := self.all_rules if walk.thorough else self.rules:
            node = (value, self.path, None)
            for each in rules:
                each.check(node, path, walk)

    def _stray(self, name: str, path: str, walk: Walk) -> None:
        # The name is the client's text: only what can be printed goes into the path.
        said = name if name.isprintable() else repr(name)[1:-1]
        owner = self.path if "." not in self.path else f"this {self.path.rpartition('.')[2]}"
        close = walk.near(name, (each for each in self.properties if each[0] != "_"))
        walk.add("structure", f"{path}.{said}", f"there is no such element in {owner}.{close}")

    def _compile(self) -> None:
        properties: dict[str, Check] = {}
        required, choices = [], []
        for label, element in self.elements.items():
            low, high = element["card"].split("..")
            if high == "0":
                continue
            names = _compile_element(self.guard, self.path, label, element, properties)
            if low != "0":
                card = "exactly one" if high == "1" else "at least one"
                required.append((names, label.removesuffix("[x]"), f"{card}{_of(names)} is required"))
            if label.endswith("[x]"):
                choices.append((frozenset(names), label.removesuffix("[x]")))
        self.properties, self.required, self.choices = properties, required, choices
        self.rules, warnings = rules_of(self.path)
        self.all_rules = self.rules + warnings
        self._compiled = True


class ResourceShape(Shape):
    """What a resource may hold: `resourceType`, and for DomainResources other resources that only live in it."""

    def check(self, value: Any, path: str, walk: Walk, parent: Json) -> None:
        """The check of a resource that stands on its own."""
        if type(value) is not dict:
            walk.add("structure", path, f"{shown(value)} where a resource, a JSON object, is required.")
            return
        if (name := value.get("resourceType")) != self.path:
            found = shown(name) if "resourceType" in value else "missing"
            walk.add("structure", f"{path}.resourceType", f"{found}; '{self.path}' is required.")
            return
        contained = value.get("contained")
        types = _types_by_id(contained) if isinstance(contained, list) else None
        inner = Walk(walk.issues, types, thorough=walk.thorough, resource=(value, self.path, None))
        self.check_content(value, path, inner, parent)
        if isinstance(contained, list):
            contained_rules(contained, path, inner)

    def _compile(self) -> None:
        super()._compile()
        self.properties["resourceType"] = _known
        self.properties["id"] = PRIMITIVES["id"]
        if "contained" in self.elements:
            self.properties["contained"] = _many(self.guard.contained)


def _known(_value: Any, _path: str, _walk: Walk, _parent: Json) -> None:
    """The check of `resourceType`, which chose the shape that asks."""


def _types_by_id(contained: list[Any]) -> dict[str, str]:
    found = {}
    for each in contained:
        if isinstance(each, dict) and isinstance(each.get("id"), str):
            found[each["id"]] = str(each.get("resourceType", ""))
    return found


def children(path: str) -> Json:
    """The elements right below a type or path, by name."""
    elements: Json = conformance.elements()[path.partition(".")[0]]["elements"]
    start = f"{path}."
    return {
        name[len(start) :]: each
        for name, each in elements.items()
        if name.startswith(start) and "." not in name[len(start) :]
    }


def _compile_element(
    guard: Guard, owner: str, label: str, element: Json, properties: dict[str, Check]
) -> tuple[str, ...]:
    """Add the checks of one element, under each JSON name it may have, and return those names."""
    repeats = not element["card"].endswith("..1")
    names: list[str] = []
    for fhir_type, targets in _types(element):
        name = label[:-3] + fhir_type[0].upper() + fhir_type[1:] if label.endswith("[x]") else label
        check = _check_of(guard, f"{owner}.{label}", element, fhir_type, targets)
        names.append(name)
        if fhir_type in PRIMITIVES and (label != "id" and f"{owner}.{label}" != "Extension.url"):
            names.append(f"_{name}")
            beside = guard.shape("Element")
            properties[name] = _many_primitives(check, name) if repeats else _single(check)
            properties[f"_{name}"] = _many_beside(beside, name) if repeats else _single_beside(beside, name)
        else:
            properties[name] = _many(check) if repeats else _single(check)
    return tuple(names)


def _of(names: Iterable[str]) -> str:
    values = [name for name in names if name[0] != "_"]
    return f" of {listed(values)}" if len(values) > 1 else ""


def _types(element: Json) -> Iterable[tuple[str, list[str]]]:
    for each in element.get("types", ["sameAs"]):
        yield (each, []) if isinstance(each, str) else (each[0], each[1])


def _check_of(guard: Guard, path: str, element: Json, fhir_type: str, targets: list[str]) -> Check:
    check: Check
    if "sameAs" in element:
        check = guard.shape(element["sameAs"]).check
    elif path == "Extension.url":
        check = PRIMITIVES["uri"]
    elif fhir_type == "xhtml":
        check = xhtml
    elif fhir_type in PRIMITIVES:
        check = PRIMITIVES[fhir_type]
    elif fhir_type == "Resource":
        check = guard.any_resource
    elif fhir_type == "Reference":
        check = reference_check(guard.shape("Reference").check, targets)
    elif fhir_type in ("BackboneElement", "Element"):
        check = guard.shape(path).check
    else:
        check = guard.shape(fhir_type).check
    if "required" in element:
        check = bound(check, fhir_type, element["required"])
    inline = "sameAs" not in element and fhir_type in ("BackboneElement", "Element")
    return check if inline else ruled(check, path, element.get("sameAs", fhir_type))


def _single(check: Check) -> Check:
    def single(value: Any, path: str, walk: Walk, parent: Json) -> None:
        if type(value) is list:
            walk.add("structure", path, "an array is not allowed; this element occurs at most once.")
        elif value is None:
            walk.add("structure", path, "null is not allowed; leave the element out.")
        else:
            check(value, path, walk, parent)

    return single


def _array(value: Any, path: str, walk: Walk) -> bool:
    if type(value) is not list:
        walk.add("structure", path, f"{shown(value)} where an array is required; this element may repeat.")
    elif not value:
        walk.add("structure", path, "an empty array is not allowed; leave the element out.")
    else:
        return True
    return False


def _many(check: Check) -> Check:
    def many(value: Any, path: str, walk: Walk, parent: Json) -> None:
        if not _array(value, path, walk):
            return
        for index, item in enumerate(value):
            if item is None:
                walk.add("structure", f"{path}[{index}]", "null is not allowed here.")
            else:
                check(item, f"{path}[{index}]", walk, parent)

    return many


def _many_primitives(check: Check, name: str) -> Check:
    def many(value: Any, path: str, walk: Walk, parent: Json) -> None:
        if not _array(value, path, walk):
            return
        for index, item in enumerate(value):
            if item is not None:
                check(item, f"{path}[{index}]", walk, parent)
            elif (
                not isinstance(beside := parent.get(f"_{name}"), list) or index >= len(beside) or beside[index] is None
            ):
                walk.add("structure", f"{path}[{index}]", f"null is allowed only where _{name} has an extension.")

    return many


def _check_beside(shape: Shape, valued: bool) -> Check:
    """An id is enough beside a value (ele-1), and says nothing without one."""
    return shape.check_identified if valued else shape.check


def _single_beside(shape: Shape, name: str) -> Check:
    single = {valued: _single(_check_beside(shape, valued)) for valued in (True, False)}

    def beside(value: Any, path: str, walk: Walk, parent: Json) -> None:
        single[parent.get(name) is not None](value, path, walk, parent)

    return beside


def _many_beside(shape: Shape, name: str) -> Check:
    def many(value: Any, path: str, walk: Walk, parent: Json) -> None:
        if not _array(value, path, walk):
            return
        beside = parent.get(name)
        if isinstance(beside, list) and len(beside) != len(value):
            walk.add("structure", path, f"{len(value)} entries where {name} has {len(beside)}; null fills the gaps.")
        values = beside if isinstance(beside, list) else []
        for index, item in enumerate(value):
            if item is not None:
                valued = index < len(values) and values[index] is not None
                _check_beside(shape, valued)(item, f"{path}[{index}]", walk, parent)
            elif not isinstance(beside, list):
                walk.add("structure", f"{path}[{index}]", f"null is allowed only where {name} has a value.")

    return many
