"""A profile compiled: the tree of its elements as closures that check a resource the guard has passed.

Only what a profile says beyond the base specification is compiled. https://hl7.org/fhir/R4/profiling.html
"""

from collections.abc import Callable
from typing import Any, Protocol

from fhir_lab.fhirpath import Node, UnsupportedError
from fhir_lab.fhirpath.compare import same_value
from fhir_lab.fhirpath.nodes import resource_node, table
from fhir_lab.search.expressions import reference_type
from fhir_lab.validation.profiles.definition import BASE, Element
from fhir_lab.validation.profiles.slicing import Belongs, UndecidableError, belongs_to, described
from fhir_lab.validation.profiles.values import beyond, coded, fits, length, said, stated
from fhir_lab.validation.profiles.valuesets import Allowed
from fhir_lab.validation.rules import ALWAYS_CHECKED, rule_of
from fhir_lab.validation.walk import Walk, listed, shown

Json = dict[str, Any]


class Run(Protocol):
    """What a check asks beyond the document: other profiles, and value sets."""

    walk: Walk

    def codes(self, value_set: str) -> Allowed | None:
        """The codes of a value set; None where they are not known."""

    def type_of(self, url: str) -> str:
        """The type that a profile is for; '' where it is not known."""

    def conforms(self, node: Node, url: str) -> bool:
        """True when a node is valid against a profile, or the profile is not known."""

    def check(self, node: Node, path: str, urls: list[str]) -> None:
        """Note what is wrong with a node that must be valid against one of these profiles."""


ItemCheck = Callable[[Node, str, Run], None]
Items = list[tuple[Node, str]]


class Compiler:
    """Compiles the elements of one profile; `problems` collects what cannot be checked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[str] = []

    def root(self, root: Element) -> ItemCheck:
        """The check of a whole resource or datatype."""
        checks = self._item(root)

        def check(node: Node, path: str, run: Run) -> None:
            for each in checks:
                each(node, path, run)

        return check

    def _group(self, element: Element) -> ItemCheck | None:
        """The check of all items of an element in their parent, given the parent."""
        counted = self._count(element, element.name, "")
        items, sliced = self._item(element), self._slices(element)
        if counted is None and not items and sliced is None:
            return None
        name = element.name

        def check(parent: Node, path: str, run: Run) -> None:
            found = placed(parent, name, path)
            if counted:
                counted(found, path, run)
            for node, at in found:
                for each in items:
                    each(node, at, run)
            if sliced:
                sliced(found, path, run)

        return check

    def _count(self, element: Element, label: str, what: str) -> Callable[[Items, str, Run], None] | None:
        low, high = element.says.get("min", element.card[0]), str(element.says.get("max", element.card[1]))
        base = (0, "*") if element.slice_name else element.card
        if (low, high) == base:
            return None
        name, most = self.name, None if high == "*" else int(high)

        def count(found: Items, path: str, run: Run) -> None:
            number = len(found)
            if number < low:
                run.walk.add("required", f"{path}.{label}", f"{number or 'none'}{what} found; {name} requires {low}.")
            elif most is not None and number > most:
                allowed = f"allows {most}" if most else "allows none"
                run.walk.add("structure", found[most][1], f"{number}{what} found; {name} {allowed}.")

        return count

    def _item(self, element: Element) -> list[ItemCheck]:
        """The checks of one item of an element."""
        says = element.says
        checks = [
            check
            for check in (
                self._types(element),
                self._fixed(says),
                self._pattern(says),
                self._limits(says),
                self._binding(element),
            )
            if check is not None
        ]
        checks += self._constraints(element)
        checks += [group for child in element.children.values() if (group := self._group(child)) is not None]
        return checks

    def _types(self, element: Element) -> ItemCheck | None:
        types = element.says.get("type", [])
        base = [type_ for _, type_ in element.types]
        codes = [each.get("code", "") for each in types]
        allowed = frozenset(codes) if types and set(base) - set(codes) and element.name != element.path else None
        if any(code.startswith("http://hl7.org/fhirpath/") or code in ("BackboneElement", "Element") for code in codes):
            allowed = None
        profiles = {each.get("code", ""): each["profile"] for each in types if each.get("profile")}
        targets = {
            each["code"]: each["targetProfile"]
            for each in types
            if each.get("code") == "Reference" and each.get("targetProfile")
        }
        narrowed = self._targets(targets.get("Reference", []))
        if allowed is None and not profiles and narrowed is None:
            return None
        name = self.name

        def check(node: Node, path: str, run: Run) -> None:
            type_ = node[1]
            if allowed is not None and type_ not in allowed and not (allowed & {"Resource", "DomainResource"}):
                run.walk.add("structure", path, f"{type_} found; {name} allows {listed(codes)}.")
            elif urls := profiles.get(type_) or profiles.get("Resource"):
                run.check(node, path, urls)
            if narrowed is not None and type_ == "Reference":
                narrowed(node, path, run)

        return check

    def _targets(self, profiles: list[str]) -> ItemCheck | None:
        if not profiles or f"{BASE}Resource" in profiles:
            return None
        name = self.name

        def check(node: Node, path: str, run: Run) -> None:
            reference = node[0]
            literal = reference.get("reference") if isinstance(reference, dict) else None
            if not isinstance(reference, dict) or not isinstance(literal, str | None):
                return
            contained = _contained(literal, run) if literal and literal.startswith("#") else None
            found = contained[1] if contained else reference_type(reference)
            allowed = [run.type_of(url) for url in profiles]
            if not found or "" in allowed:
                return
            if found not in allowed:
                said_ = shown(literal or found)
                run.walk.add("value", path, f"{said_} refers to {found}; {name} allows {listed(allowed)}.")
            elif contained and not any(run.conforms(contained, url) for url in profiles):
                run.walk.add("value", path, f"{said(literal)} is no {' or '.join(profiles)}, as {name} requires.")

        return check

    def _fixed(self, says: Json) -> ItemCheck | None:
        fixed = stated(says, "fixed")
        if fixed is None:
            return None
        name = self.name

        def check(node: Node, path: str, run: Run) -> None:
            if not same_value(node[0], fixed):
                run.walk.add("value", path, f"{said(node[0])} found; {name} allows only {said(fixed)}.")

        return check

    def _pattern(self, says: Json) -> ItemCheck | None:
        pattern = stated(says, "pattern")
        if pattern is None:
            return None
        name = self.name

        def check(node: Node, path: str, run: Run) -> None:
            if not fits(node[0], pattern):
                run.walk.add("value", path, f"{said(node[0])} found; {name} requires {said(pattern)} in it.")

        return check

    def _limits(self, says: Json) -> ItemCheck | None:
        longest, low, high = says.get("maxLength"), stated(says, "minValue"), stated(says, "maxValue")
        if longest is None and low is None and high is None:
            return None
        name = self.name

        def check(node: Node, path: str, run: Run) -> None:
            if longest is not None and length(node[0]) > longest:
                run.walk.add("too-long", path, f"{length(node[0])} characters found; {name} allows {longest}.")
            if wrong := beyond(node, low, high):
                run.walk.add("value", path, f"{said(node[0])} found; by {name} {wrong}.")

        return check

    def _binding(self, element: Element) -> ItemCheck | None:
        binding = element.says.get("binding", {})
        strength, value_set = binding.get("strength"), binding.get("valueSet", "")
        if strength not in ("required", "extensible") or not value_set:
            return None
        if (strength, value_set.partition("|")[0]) in element.bound:
            return None
        name = self.name

        def check(node: Node, path: str, run: Run) -> None:
            if strength != "required" and not run.walk.thorough:
                return
            codes = run.codes(value_set)
            if codes is None:
                if run.walk.thorough:
                    text = f"the value set {value_set} of {name} is not known here; the code is not checked."
                    run.walk.add("not-found", path, text, "information")
                return
            pairs = list(coded(node))
            if any(codes(*pair) for pair in pairs) or (not pairs and strength != "required"):
                return
            found = listed([f"{system}|{code}" if system else code for system, code in pairs]) or "no code"
            verb = "requires one" if strength == "required" else "prefers one, unless none fits,"
            severity = "error" if strength == "required" else "warning"
            run.walk.add("code-invalid", path, f"{found} found; {name} {verb} of {codes}.", severity)

        return check

    def _constraints(self, element: Element) -> list[ItemCheck]:
        checks = []
        for each in element.says.get("constraint", []):
            key, expression = each.get("key", ""), each.get("expression")
            if key in ALWAYS_CHECKED and each.get("source", BASE).startswith(BASE):
                continue
            type_ = element.types[0][1] if len(element.types) == 1 else element.path
            human = each.get("human", expression or "").rstrip(".")
            try:
                if not expression:
                    raise UnsupportedError("it has no expression")
                rule = rule_of(key, each.get("severity", "error"), f"{human} [{self.name}]", expression, type_)
            except UnsupportedError as error:
                self.problems.append(f"The constraint {key} at {element.path} is not checked: {error}.")
                continue
            checks.append(_ruled(rule.severity, rule.check))
        return checks

    def _slices(self, element: Element) -> Callable[[Items, str, Run], None] | None:
        parts = [part for name, part in element.slices.items() if name != "@default"]
        rules = element.says.get("slicing", {}).get("rules", "open")
        if not parts:
            return None
        try:
            tests = [(part, belongs_to(element, part)) for part in parts]
        except UndecidableError as error:
            self.problems.append(f"The slices of {element.path} are not checked: {error}.")
            return None
        checks = [self._part(element, part) for part in parts]
        ordered = bool(element.says.get("slicing", {}).get("ordered"))
        strays = self._strays(element, rules, ordered)
        name = self.name

        def check(found: Items, path: str, run: Run) -> None:
            try:
                chosen = [_chosen(node, tests, run) for node, _ in found]
            except UndecidableError as error:
                if run.walk.thorough:
                    text = f"the slices that {name} defines are not checked: {error}."
                    run.walk.add("not-supported", f"{path}.{element.name}", text, "warning")
                return
            for index, part in enumerate(checks):
                part([item for item, slice_ in zip(found, chosen, strict=True) if slice_ == index], path, run)
            strays(found, chosen, run)

        return check

    def _part(self, element: Element, part: Element) -> Callable[[Items, str, Run], None]:
        what = f" of the slice '{part.slice_name}'{described(element, part)}"
        counted, items, sliced = self._count(part, part.name, what), self._item(part), self._slices(part)

        def check(found: Items, path: str, run: Run) -> None:
            if counted:
                counted(found, path, run)
            for node, at in found:
                for each in items:
                    each(node, at, run)
            if sliced:
                sliced(found, path, run)

        return check

    def _strays(self, element: Element, rules: str, ordered: bool) -> Callable[[Items, list[int], Run], None]:
        name, slices = self.name, listed(list(element.slices))

        def check(found: Items, chosen: list[int], run: Run) -> None:
            last = max((index for index, slice_ in enumerate(chosen) if slice_ >= 0), default=-1)
            for index, (_, path) in enumerate(found):
                if chosen[index] >= 0:
                    if ordered and any(later < chosen[index] for later in chosen[index:] if later >= 0):
                        run.walk.add("structure", path, f"out of order; {name} has the slices in the order {slices}.")
                elif rules == "closed" and "@default" not in element.slices:
                    run.walk.add("structure", path, f"it belongs to no slice; {name} allows only {slices}.")
                elif rules == "openAtEnd" and index < last:
                    run.walk.add("structure", path, f"it belongs to no slice; {name} has such items only at the end.")

        return check


def _ruled(severity: str, check: Callable[[Node, str, Walk], None]) -> ItemCheck:
    def ruled(node: Node, path: str, run: Run) -> None:
        if severity == "error" or run.walk.thorough:
            check(node, path, run.walk)

    return ruled


def _chosen(node: Node, tests: list[tuple[Element, Belongs]], run: Run) -> int:
    return next((index for index, (_, belongs) in enumerate(tests) if belongs(node, run)), -1)


def _contained(literal: str, run: Run) -> Node | None:
    contained = run.walk.root[0].get("contained")
    for each in contained if isinstance(contained, list) else []:
        if isinstance(each, dict) and each.get("id") == literal[1:]:
            return resource_node(each)
    return None


def placed(parent: Node, name: str, path: str) -> Items:
    """The children of a node under an element name, each with its FHIRPath."""
    value, type_, beside = parent
    if type(value) is not dict:
        if type(beside) is not dict:
            return []
        value, type_ = beside, "Element"
    found: Items = []
    for property_, primitive, child_type in table(type_).get(name, ()):
        own, other = value.get(property_), value.get(primitive) if primitive else None
        if own is None and other is None:
            continue
        many = isinstance(own, list) or isinstance(other, list)
        owns = own if isinstance(own, list) else [own]
        others = other if isinstance(other, list) else [other]
        for index in range(max(len(owns), len(others))):
            item = owns[index] if index < len(owns) else None
            side = others[index] if index < len(others) else None
            if item is None and side is None:
                continue
            actual = (
                str(item.get("resourceType", "")) if child_type == "Resource" and isinstance(item, dict) else child_type
            )
            found.append(((item, actual, side), f"{path}.{property_}[{index}]" if many else f"{path}.{property_}"))
    return found
