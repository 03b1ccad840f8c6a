"""The registry of search parameters: every (resource type, code), its static id, its compiled expression, its code
system.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from conformance import compartments, search_parameters
from fhir_lab.documents import Resource
from fhir_lab.search.elements import code_systems, datatypes
from fhir_lab.search.expressions import Expression, Node, compile_expression

FIRST_CUSTOM = 1_000_000  # the ids of custom parameters, which a table gives out, begin here
_URIS = frozenset({"uri", "url", "canonical", "oid", "uuid"})
_TEXTS = frozenset({"string", "markdown", "code", "id"})
# The datatypes that a parameter of each kind finds. https://hl7.org/fhir/R4/search.html#table
SUITING: Mapping[str, frozenset[str]] = {
    "token": frozenset({"Coding", "CodeableConcept", "Identifier", "ContactPoint", "boolean"}) | _TEXTS | _URIS,
    "string": frozenset({"HumanName", "Address"}) | _TEXTS,
    "date": frozenset({"date", "dateTime", "instant", "Period", "Timing"}),
    "number": frozenset({"integer", "decimal", "positiveInt", "unsignedInt", "Range"}),
    "quantity": frozenset({"Quantity", "Age", "Count", "Distance", "Duration", "Money", "Range", "SampledData"}),
    "reference": frozenset({"Reference"}) | _URIS,
    "uri": _URIS,
}

# Parameters that are searched in a way of their own, by code; and the FHIR types of these kinds.
KINDS = {"_text": "fulltext", "_content": "fulltext", "near": "position", "phonetic": "phonetic"}
FHIR_TYPES = {"fulltext": "string", "position": "special", "phonetic": "string"}


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite: the parameter of the same type whose index rows it is matched on.

    `shared` parts belong to the resource as a whole (`%resource...`) and pair with the other parts whatever their
    group; all others pair within one group. `id` is that of the parameter where a custom composite has its own.
    """

    code: str
    url: str
    shared: bool = False
    expression: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter of one resource type.

    `kind` is token, string, date, number, quantity, reference, uri, composite or one of `FHIR_TYPES`; `targets` are the
    types a reference may point to (empty: any). The id is stored in every index row.
    """

    id: int
    type: str
    code: str
    kind: str
    url: str
    expression: str | None
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()

    @property
    def custom(self) -> bool:
        """True for one that somebody posted as a SearchParameter resource."""
        return self.id >= FIRST_CUSTOM

    @property
    def fhir_type(self) -> str:
        """The code of https://hl7.org/fhir/R4/valueset-search-param-type.html."""
        return FHIR_TYPES.get(self.kind, self.kind)

    @property
    def combines(self) -> tuple[str, ...]:
        """The codes of the two parameters whose values this one has together: `combo-code` has those of `code` and
        `component-code`. Empty for any other parameter."""
        plain = self.code.removeprefix("combo-")
        return () if plain == self.code else (plain, f"component-{plain}")


class Registry:
    """The search parameters in force, by resource type. `Registry.load()` reads those of R4.

    A custom parameter is answered when the index holds it for every resource; until then, and while its rows are being
    taken away, it is only `indexed`.
    """

    def __init__(self, types: tuple[str, ...], parameters: list[SearchParameter]) -> None:
        self.types = types
        self._by_type: dict[str, dict[str, SearchParameter]] = {name: {} for name in types}
        for parameter in parameters:
            self._by_type[parameter.type][parameter.code] = parameter
        self._by_id = {parameter.id: parameter for parameter in parameters}
        self.has_custom = False
        self._waiting: dict[tuple[str, str], SearchParameter] = {}
        self._unanswered: dict[str, list[SearchParameter]] = {}
        self._compiled: dict[int, Expression] = {}
        self._systems: dict[int, frozenset[str]] = {}

    @classmethod
    @cache
    def load(cls) -> "Registry":
        """Those of R4 that this server answers, the same object for every caller."""
        table = search_parameters()
        bases: Mapping[str, int] = table["types"]
        common = table["common"]
        parameters = [_parameter(entry, name, base + entry["id"]) for name, base in bases.items() for entry in common]
        own = table["parameters"]
        parameters += [_parameter(entry, entry["base"], entry["id"]) for entry in own]
        return cls(tuple(bases), parameters)

    def with_custom(
        self,
        answered: Iterable[SearchParameter],
        waiting: Iterable[SearchParameter],
        unnamed: Iterable[SearchParameter],
    ) -> "Registry":
        """These parameters and `answered`; `waiting` and `unnamed` are indexed too, but not found by `of` and `get`."""
        found = Registry(self.types, [*self._by_id.values(), *answered])
        for parameter in waiting:
            found._waiting[parameter.type, parameter.code] = parameter
        for parameter in (*found._waiting.values(), *unnamed):
            found._unanswered.setdefault(parameter.type, []).append(parameter)
            found._by_id[parameter.id] = parameter
        found._compiled, found._systems, found.has_custom = dict(self._compiled), dict(self._systems), True
        return found

    def indexed(self, resource_type: str) -> Iterator[SearchParameter]:
        """Every parameter whose values the index is to hold for a resource type."""
        yield from self.of(resource_type).values()
        yield from self._unanswered.get(resource_type, ())

    def waiting(self, resource_type: str, code: str) -> SearchParameter | None:
        """The custom parameter of this code that is answered once the index is rebuilt, or None."""
        return self._waiting.get((resource_type, code))

    def part(self, parameter: SearchParameter, component: Component) -> SearchParameter:
        """The parameter whose rows answer a component: one of the same type, or a custom composite's own."""
        if component.id:
            return self._by_id[component.id]
        return self._by_type[parameter.type][component.code]

    def of(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """The parameters of a resource type by code, the common ones among them; empty for an unknown type."""
        return self._by_type.get(resource_type, {})

    def get(self, resource_type: str, code: str) -> SearchParameter | None:
        """The parameter `code` of a resource type, or None."""
        return self.of(resource_type).get(code)

    def by_id(self, parameter_id: int) -> SearchParameter:
        """The parameter an index row names. Raises `KeyError` for an id that was never given out."""
        return self._by_id[parameter_id]

    def compiled(self, parameter: SearchParameter) -> Expression:
        """The compiled expression of a parameter."""
        found = self._compiled.get(parameter.id)
        if found is None:
            found = compile_expression(parameter.expression, parameter.type) if parameter.expression else Expression()
            found = self._compiled[parameter.id] = found.only(SUITING[parameter.kind]) if parameter.custom else found
        return found

    def evaluate(self, parameter: SearchParameter, resource: Resource) -> list[Node]:
        """What a parameter's expression finds in a resource of its type."""
        return self.compiled(parameter).evaluate(resource)

    def code_systems(self, parameter: SearchParameter) -> frozenset[str]:
        """The systems that a token parameter's `code` and `boolean` elements imply.

        Such a value is indexed without a system; a search that names one of these means the same as one that names
        none.
        """
        found = self._systems.get(parameter.id)
        if found is None:
            found = self._systems[parameter.id] = code_systems(parameter.expression or "", parameter.type)
        return found

    def identifies(self, parameter: SearchParameter) -> bool:
        """True for a token parameter that finds Identifiers, which have a type."""
        return parameter.kind == "token" and "Identifier" in datatypes(parameter.expression or "", parameter.type)

    def contacts(self, parameter: SearchParameter) -> bool:
        """True for a token parameter that finds phone numbers and addresses."""
        return "ContactPoint" in datatypes(parameter.expression or "", parameter.type)

    def canonical(self, parameter: SearchParameter) -> bool:
        """True for a reference parameter that finds canonical URLs."""
        found = datatypes(parameter.expression or "", parameter.type)
        return parameter.kind == "reference" and not found.isdisjoint({"canonical", "uri"})

    def upward(self, resource_type: str) -> SearchParameter | None:
        """The parameter that leads from a resource to the one above it of the same type, None where there is none."""
        for code in ("partof", "part-of", "parent"):
            found = self.get(resource_type, code)
            if found is not None and found.kind == "reference" and resource_type in found.targets:
                return found
        return None

    def compartment(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """The resource types of a compartment, each with the codes of the parameters that link to it.

        Raises `KeyError` for a compartment R4 does not define. https://hl7.org/fhir/R4/compartmentdefinition.html
        """
        return self._compartments[name]

    @property
    def common(self) -> frozenset[str]:
        """The codes of the parameters that every type has."""
        return frozenset.intersection(*(frozenset(self.of(name)) for name in self.types))

    @property
    def compartments(self) -> Iterable[str]:
        """The types whose resources have a compartment."""
        return self._compartments

    @cached_property
    def _compartments(self) -> dict[str, dict[str, tuple[str, ...]]]:
        return {
            name: {type_: tuple(codes) for type_, codes in members.items()} for name, members in compartments().items()
        }


def _parameter(entry: Mapping[str, Any], resource_type: str, parameter_id: int) -> SearchParameter:
    return SearchParameter(
        id=parameter_id,
        type=resource_type,
        code=entry["code"],
        kind=KINDS.get(entry["code"], entry["type"]),
        url=entry["url"],
        expression=entry.get("expression"),
        targets=_targets(entry),
        components=tuple(
            Component(part["code"], part["definition"], part["expression"].startswith("%resource."), part["expression"])
            for part in entry.get("component", ())
        ),
    )


def _targets(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The types a reference may point to. R4 lists Group for some `patient` parameters, which find only Patients."""
    if entry["code"] == "patient" and entry["type"] == "reference":
        return ("Patient",)
    return tuple(name for name in entry.get("target", ()) if name != "*")
