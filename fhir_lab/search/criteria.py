"""One search parameter of a query, name and value, as a criterion of the tree: conditions, chains and reverse chains.

https://hl7.org/fhir/R4/search.html#modifiers #chaining #has
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fhir_lab.outcomes import BadRequest, FhirError, Issue, nearest
from fhir_lab.search import filters
from fhir_lab.search.concepts import in_hierarchy, in_value_set
from fhir_lab.search.escapes import split, unescape
from fhir_lab.search.kinds import composite, date, number, phonetic, position, quantity, reference, string, token, uri
from fhir_lab.search.kinds import text as text_kind
from fhir_lab.search.registry import Registry, SearchParameter
from fhir_lab.search.tree import Chain, Condition, Criterion, Has, Missing
from fhir_lab.search.values import Place, key

if TYPE_CHECKING:
    from fhir_lab.search.terms import Terms

MODIFIERS: dict[str, tuple[str, ...]] = {
    "token": token.MODIFIERS,
    "string": string.MODIFIERS,
    "reference": reference.MODIFIERS,
    "uri": uri.MODIFIERS,
}
NEVER_MISSING = ("composite", "special", "fulltext")
LONGEST_CHAIN = 8
WIDEST_CHAIN = 200  # ways through the types that references without a type may lead to
MOST_VALUES = 100
MOST_LISTED = {"token": 1000, "reference": 1000}  # these become lists in SQL, the others an OR each


class UnknownParameter(BadRequest):
    """A name that the resource type does not have: a lenient search leaves it out."""

    code = "not-supported"


class Reader:
    """Reads names and values of one request. `now` is in microseconds UTC; `terms` is asked for what modifiers name."""

    def __init__(self, registry: Registry, place: Place, now: int, terms: "Callable[[], Terms]") -> None:
        self.registry = registry
        self._terms = terms
        self._place = place
        self._now = now
        self._ways = 0

    def criterion(self, resource_type: str, name: str, text: str) -> Criterion | None:
        """What `name=text` asks of a resource of this type, None when there is no value to ask for.

        Raises `UnknownParameter` and, for a modifier or value that does not fit, `BadRequest`.
        """
        return self._criterion(resource_type, name, text, name)

    def parameter(self, resource_type: str, code: str, where: str) -> SearchParameter:
        """The search parameter of this code. Raises `UnknownParameter`, which names the codes that exist."""
        found = self.registry.get(resource_type, code)
        if found is None:
            waiting = self.registry.waiting(resource_type, code)
            if waiting is not None:
                raise UnknownParameter.of(
                    f"The index does not hold '{code}' of {resource_type} yet. Run: fhir-lab reindex --parameter "
                    f"{waiting.url}",
                    f"http.{where}",
                )
            known = sorted(self.registry.of(resource_type))
            raise UnknownParameter.of(
                f"{resource_type} has no search parameter '{code}'.{nearest(code, known)} It has: {', '.join(known)}.",
                f"http.{where}",
            )
        return found

    def named(self, resource_type: str, name: str, text: str, where: str) -> Criterion | None:
        """As `criterion`, for a part of the parameter `where`, which errors then name."""
        return self._criterion(resource_type, name, text, where)

    def _criterion(self, resource_type: str, name: str, text: str, where: str) -> Criterion | None:
        if where.count(".") + where.count("_has:") > LONGEST_CHAIN:
            raise BadRequest.of(f"A chain may have {LONGEST_CHAIN} links; '{where}' has more.", f"http.{where}")
        if name.startswith("_has:"):
            return self._has(resource_type, name, text, where)
        if name == "_list":
            return self._list(text, where)
        if name == "_filter":
            return filters.read(self, resource_type, text)
        head, dot, rest = name.partition(".")
        code, colon, modifier = head.partition(":")
        parameter = self.parameter(resource_type, code, where)
        if dot:
            return self._chain(parameter, modifier, rest, text, where)
        if colon and modifier == "missing":
            return _missing(parameter, text, where)
        self._check_modifier(parameter, modifier, bool(colon), where)
        values = self._values(parameter, modifier, text, where)
        return Condition(parameter, modifier, values) if values else None

    def _values(self, parameter: SearchParameter, modifier: str, text: str, where: str) -> tuple[Any, ...]:
        parts = [part for part in split(text, ",") if part]
        most = MOST_VALUES if modifier == "text" else MOST_LISTED.get(parameter.kind, MOST_VALUES)
        if len(parts) > most:
            raise BadRequest.of(
                f"'{where}' has {len(parts)} values; {most} are allowed.", f"http.{where}", code="too-costly"
            )
        try:
            return tuple(self._value(parameter, modifier, part) for part in parts)
        except ValueError as error:
            raise BadRequest.of(f"{parameter.type}.{parameter.code}: {error}.", f"http.{where}", code="value") from None
        except FhirError as error:  # of the terminology: the value set or code system, not the resource that is sought
            issues = [Issue(issue.code, issue.details, (f"http.{where}",)) for issue in error.issues]
            raise BadRequest(issues) from None

    def _value(self, parameter: SearchParameter, modifier: str, text: str) -> Any:
        if parameter.kind == "token":
            return self._token(parameter, modifier, text)
        if parameter.kind == "reference":
            return self._reference(parameter, modifier, text)
        if parameter.kind == "composite":
            parts = [(self.registry.part(parameter, part), part.shared) for part in parameter.components]
            return composite.read(text, parts, lambda part, value: self._value(part, "", value))
        if parameter.kind == "date":
            return date.read(text, self._place, self._now)
        readers: dict[str, Callable[[], Any]] = {
            "fulltext": lambda: text_kind.read(text),
            "position": lambda: position.read(text),
            "phonetic": lambda: phonetic.read(text),
            "string": lambda: string.read(text, modifier),
            "number": lambda: number.read(text),
            "quantity": lambda: quantity.read(text),
            "uri": lambda: uri.read(text, modifier),
        }
        return readers[parameter.kind]()

    def _token(self, parameter: SearchParameter, modifier: str, text: str) -> Any:
        if modifier == "text":
            return string.read(text)
        if modifier == "of-type":
            return token.read_of_type(text)
        implied = self.registry.code_systems(parameter)
        if modifier in ("in", "not-in"):
            return in_value_set(self._terms(), text, self._place.base, implied)
        if modifier in ("above", "below"):
            return in_hierarchy(self._terms(), text, modifier, implied)
        value = token.read(text, implied)
        if value.code and self.registry.contacts(parameter):
            return replace(value, code=token.address(value.code))
        if parameter.code == "_id" and value.system is not None:
            raise ValueError(f"'{text}' is not an id")
        return value

    def _reference(self, parameter: SearchParameter, modifier: str, text: str) -> reference.ReferenceValue:
        if modifier == "identifier":
            return reference.read_identifier(text)
        how = modifier if modifier in reference.RECURSIVE else ""
        value = replace(reference.read(text, self._place.base, "" if how else modifier), how=how)
        if value.id and value.type and value.type not in self.registry.types:
            raise ValueError(f"'{value.type}' is not a resource type.{nearest(value.type, self.registry.types)}")
        if how and (value.url or (value.type and self.registry.upward(value.type) is None)):
            raise ValueError(f"'{text}' has nothing {how} it: {', '.join(_layered(self.registry, parameter))} have")
        if value.id and value.type and self.registry.canonical(parameter):
            return replace(value, url=key(f"{self._place.base}/{value.type}/{value.id}"))
        return value

    def _check_modifier(self, parameter: SearchParameter, modifier: str, given: bool, where: str) -> None:
        if parameter.kind == "special":
            raise BadRequest.of(
                f"The parameter '{parameter.code}' is not supported by this server.",
                f"http.{where}",
                code="not-supported",
            )
        if not given:
            return
        known = modifiers_of(self.registry, parameter)
        if modifier in known:
            return
        types = self._targets(parameter) if parameter.kind == "reference" else ()
        if modifier not in types:
            allowed = (*known, *(types if len(types) < 10 else ("a resource type",) if types else ()))
            raise BadRequest.of(
                f"The modifier ':{modifier}' is not supported on '{parameter.code}' ({parameter.kind}). "
                f"Supported: {', '.join(allowed) or 'none'}.",
                f"http.{where}",
                code="not-supported",
            )

    def _targets(self, parameter: SearchParameter) -> tuple[str, ...]:
        return parameter.targets or self.registry.types

    def _chain(self, parameter: SearchParameter, modifier: str, rest: str, text: str, where: str) -> Chain | None:
        able = self.able(parameter, modifier, rest, where)
        read = [(name, self._criterion(name, rest, text, where)) for name in able]
        found_targets = tuple((name, criterion) for name, criterion in read if criterion is not None)
        return Chain(parameter, found_targets) if found_targets else None

    def able(self, parameter: SearchParameter, modifier: str, rest: str, where: str) -> list[str]:
        """The types that a link may lead to, as far as `rest`, which follows it, can be asked of them.

        Raises `BadRequest` when the parameter is no reference, leads nowhere, or to what cannot be told apart.
        """
        targets = self._targets(parameter) if parameter.kind == "reference" else ()
        if not targets:
            raise BadRequest.of(
                f"'{parameter.code}' is a {parameter.kind} parameter; only references can be chained.", f"http.{where}"
            )
        if modifier and modifier not in targets:
            raise BadRequest.of(
                f"'{parameter.code}' does not refer to a '{modifier}'; it refers to {', '.join(targets)}.",
                f"http.{where}",
            )
        return self._any_target(parameter, (modifier,) if modifier else targets, rest, where)

    def _any_target(self, parameter: SearchParameter, targets: Iterable[str], rest: str, where: str) -> list[str]:
        code = rest.partition(".")[0].partition(":")[0]
        able = [name for name in targets if code in ("_has", "_list") or self.registry.get(name, code)]
        if not able:
            raise UnknownParameter.of(
                f"None of the types that '{parameter.code}' refers to has a search parameter '{code}': "
                f"{', '.join(targets)}.",
                f"http.{where}",
            )
        kinds = {found.kind for name in able if (found := self.registry.get(name, code))}
        if len(kinds) > 1:
            raise BadRequest.of(
                f"'{where}' is ambiguous: '{code}' means different things for {', '.join(able)}. "
                f"Name the type, such as {parameter.code}:{able[0]}.{rest}.",
                f"http.{where}",
            )
        self._ways += len(able)
        if self._ways > WIDEST_CHAIN:
            raise BadRequest.of(
                f"'{where}' may lead to too many types. Name them, such as {parameter.code}:{able[0]}.{rest}.",
                f"http.{where}",
                code="too-costly",
            )
        return able

    def _has(self, resource_type: str, name: str, text: str, where: str) -> Has | None:
        parts = name.split(":", 3)
        if len(parts) < 4 or not all(parts):
            raise BadRequest.of(
                f"'{name}' does not have the form _has:Type:reference:parameter.", f"http.{where}", code="structure"
            )
        _, source, code, rest = parts
        if source not in self.registry.types:
            raise BadRequest.of(
                f"'{source}' is not a resource type.{nearest(source, self.registry.types)}", f"http.{where}"
            )
        parameter = self.parameter(source, code, where)
        if parameter.kind != "reference" or resource_type not in self._targets(parameter):
            raise BadRequest.of(f"{source}.{code} does not refer to {resource_type}.", f"http.{where}")
        criterion = self._criterion(source, rest, text, where)
        return Has(source, parameter, criterion) if criterion is not None else None

    def _list(self, text: str, where: str) -> Has | None:
        if unescape(text).startswith("$"):
            raise BadRequest.of(
                f"'{text}' is a list of the patient's current state, which this server does not keep. "
                "A List that is stored can be named by its id.",
                f"http.{where}",
                code="not-supported",
            )
        criterion = self._criterion("List", "_id", text, where)
        return Has("List", self.parameter("List", "item", where), criterion) if criterion is not None else None


def modifiers_of(registry: Registry, parameter: SearchParameter) -> tuple[str, ...]:
    """The modifiers that a parameter takes, beside types."""
    missing = () if parameter.kind in NEVER_MISSING else ("missing",)
    if parameter.code == "_id":
        return (*missing, "not")
    unfit: Collection[str] = ()
    if parameter.kind == "token" and not registry.identifies(parameter):
        unfit = {"of-type"}
    if parameter.kind == "reference" and not _layered(registry, parameter):
        unfit = reference.RECURSIVE
    return (*missing, *(name for name in MODIFIERS.get(parameter.kind, ()) if name not in unfit))


def _layered(registry: Registry, parameter: SearchParameter) -> list[str]:
    """The types that a parameter refers to and that have a hierarchy of their own."""
    return [name for name in parameter.targets or registry.types if registry.upward(name) is not None]


def _missing(parameter: SearchParameter, text: str, where: str) -> Missing | None:
    if not text:
        return None
    if parameter.kind in NEVER_MISSING:
        raise BadRequest.of(
            f"The modifier ':missing' is not supported on '{parameter.code}' ({parameter.kind}).",
            f"http.{where}",
            code="not-supported",
        )
    if text not in ("true", "false"):
        raise BadRequest.of(f"'{text[:40]}'; write :missing=true or :missing=false.", f"http.{where}")
    return Missing(parameter, text == "true")
