"""The parameters of an export, judged at the kick-off: what cannot be honoured is refused, or left out and reported.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html#query-parameters
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_lab.bulk.asked import Asked
from fhir_lab.bulk.selections import criteria_of, readable
from fhir_lab.interactions.subset import cut_of
from fhir_lab.outcomes import BadRequest, FhirError, Forbidden, Issue, nearest, operation_outcome
from fhir_lab.search import compartment
from fhir_lab.search.values import date_range
from fhir_lab.security.access import Caller
from fhir_lab.services import Services

FORMATS = ("application/fhir+ndjson", "application/ndjson", "ndjson")
ASSOCIATED = {"LatestProvenanceResources": "latest", "RelevantProvenanceResources": "all"}
# Not in a compartment, but part of what it says: exported where something exported refers to it.
SHARED = frozenset(
    {
        *("Device", "DeviceDefinition", "Endpoint", "HealthcareService", "Location", "Medication", "Organization"),
        *("OrganizationAffiliation", "Practitioner", "PractitionerRole", "Substance"),
    }
)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_NEXT_FILTER = re.compile(r",(?=[A-Z][A-Za-z]*\?)")
Values = Mapping[str, Sequence[Any]]


def asked_of(
    services: Services, caller: Caller, *, level: str, values: Values, lenient: bool, ignored: Iterable[Issue]
) -> Asked:
    """What to export. `values` are those of the parameters by name; `level` is system, Patient or Group.

    Raises `BadRequest`, and `Forbidden` for a type beyond the scopes. A lenient client has what can be left out left
    out and reported, with `ignored`.
    """
    reader = _Reader(services, caller, level, values)
    return reader.read(list(ignored) if lenient else None)


class _Reader:
    """Reads one request; `_reported` are the issues left out so far, None for a client that is not lenient."""

    def __init__(self, services: Services, caller: Caller, level: str, values: Values) -> None:
        self._services = services
        self._caller = caller
        self._level = level
        self._values = values
        self._reported: list[Issue] | None = None

    def read(self, reported: list[Issue] | None) -> Asked:
        """Everything, or the first thing that is refused."""
        self._reported = reported
        self._check_format()
        types, shared = self._types()
        provenance = self._associated(types)
        if provenance:
            types = tuple(name for name in types if name != "Provenance") or types
        everything = (*types, *shared)
        return Asked(
            level=self._level,
            types=types,
            shared=shared,
            patients=self._patients(),
            filters=self._filters(everything),
            elements=self._elements(everything),
            provenance=provenance,
            since=self._instant("_since"),
            until=self._instant("_until"),
            reported=tuple(operation_outcome([issue]) for issue in self._reported or ()),
        )

    def _listed(self, name: str) -> list[str]:
        """The values of a repeated or comma-separated parameter."""
        parts = (part.strip() for value in self._values.get(name, ()) for part in str(value).split(","))
        return list(dict.fromkeys(filter(None, parts)))

    def _leave_out(self, error: FhirError) -> None:
        """Refuse, or report to a client that is lenient."""
        if self._reported is None:
            raise error
        self._reported += [
            Issue(issue.code, f"Ignored: {issue.details}", issue.expression, "warning") for issue in error.issues
        ]

    def _check_format(self) -> None:
        for name in self._values.get("_outputFormat", ()):
            if str(name).replace(" ", "+") not in FORMATS:
                raise BadRequest.of(
                    f"_outputFormat '{str(name)[:64]}' cannot be produced; possible: {', '.join(FORMATS)}.",
                    "http._outputFormat",
                    code="not-supported",
                )

    def _instant(self, name: str) -> int | None:
        for text in self._values.get(name, ()):
            try:
                if _INSTANT.fullmatch(text):
                    return date_range(text, self._services.settings.zone)[0]
            except ValueError:
                pass
            raise BadRequest.of(
                f"{name} '{str(text)[:64]}' is not an instant such as 2026-11-20T08:30:00Z.",
                f"http.{name}",
                code="value",
            )
        return None

    def _types(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The types to export, and those of which only what the others refer to is."""
        registry = self._services.registry
        named = [name for name in self._listed("_type") if self._is_possible(name)]
        for name in named:
            if not readable(self._caller, name):
                raise Forbidden.of(f"Your scopes do not grant to export {name}; system/{name}.rs would.", "http._type")
        if self._values.get("_type") and not named:
            raise BadRequest.of("_type names no type that can be exported.", "http._type", code="required")
        inside = registry.types if self._level == "system" else compartment.types_of(registry)
        outside = () if self._level == "system" else sorted(SHARED)
        types = tuple(name for name in inside if self._is_meant(name, named))
        shared = tuple(name for name in outside if self._is_meant(name, named))
        if not types and not shared:
            raise Forbidden.of("Your scopes reach nothing that can be exported; system/*.rs would.")
        return types, shared

    def _is_possible(self, name: str) -> bool:
        registry = self._services.registry
        if name not in registry.types:
            text = f"There is no resource type '{name[:64]}' in FHIR R4.{nearest(name, registry.types)}"
            self._leave_out(BadRequest.of(text, "http._type", code="not-supported"))
            return False
        if self._level != "system" and name not in compartment.types_of(registry) and name not in SHARED:
            text = f"{name} is not in the Patient compartment; export it at [base]/$export."
            self._leave_out(BadRequest.of(text, "http._type", code="not-supported"))
            return False
        return True

    def _is_meant(self, name: str, named: Sequence[str]) -> bool:
        return name in named if named else readable(self._caller, name)

    def _associated(self, types: Sequence[str]) -> str:
        """Which Provenance goes along with what is exported: all, latest or none."""
        for value in self._listed("includeAssociatedData"):
            if value not in ASSOCIATED:
                text = f"includeAssociatedData '{value[:64]}' is none of {', '.join(ASSOCIATED)}."
                self._leave_out(BadRequest.of(text, "http.includeAssociatedData", code="not-supported"))
                continue
            if not readable(self._caller, "Provenance"):
                raise Forbidden.of(
                    "Your scopes do not grant to export Provenance; system/Provenance.rs would.",
                    "http.includeAssociatedData",
                )
            return ASSOCIATED[value]
        return "all" if self._level != "system" and "Provenance" in types else ""

    def _patients(self) -> tuple[str, ...]:
        found = []
        for reference in self._values.get("patient", ()):
            literal = reference.get("reference") if isinstance(reference, dict) else None
            target = self._services.locator.local(literal) if isinstance(literal, str) else None
            if target is None or target[0] != "Patient":
                raise BadRequest.of(
                    f"patient is a reference such as Patient/123; found {str(literal)[:64]!r}.",
                    "Parameters.parameter",
                    code="value",
                )
            found.append(target[1])
        return tuple(dict.fromkeys(found))

    def _filters(self, types: Sequence[str]) -> dict[str, list[str]]:
        filters: dict[str, list[str]] = {}
        for text in (part for value in self._values.get("_typeFilter", ()) for part in _NEXT_FILTER.split(value)):
            name, mark, query = text.partition("?")
            try:
                if not mark or name not in types:
                    raise BadRequest.of(
                        f"_typeFilter '{text[:100]}' does not begin with one of the exported types and '?', "
                        "as Observation?status=final does.",
                        "http._typeFilter",
                        code="value",
                    )
                criteria_of(self._services, name, query)
            except BadRequest as error:
                self._leave_out(error.placed("http._typeFilter"))
            else:
                filters.setdefault(name, []).append(query)
        return filters

    def _elements(self, types: Sequence[str]) -> dict[str, str]:
        elements: dict[str, list[str]] = {}
        for text in self._listed("_elements"):
            owner, dot, _ = text.partition(".")
            named = dot and owner in self._services.registry.types
            places = [name for name in ((owner,) if named else types) if name in types and _has(name, text)]
            if not places:
                unknown = BadRequest.of(
                    f"_elements '{text[:64]}' is no element at the top of an exported type.",
                    "http._elements",
                    code="value",
                )
                self._leave_out(unknown)
            for name in places:
                elements.setdefault(name, []).append(text)
        return {name: ",".join(texts) for name, texts in elements.items()}


def _has(resource_type: str, element: str) -> bool:
    try:
        cut_of([("_elements", element)], resource_type)
    except BadRequest:
        return False
    return True
