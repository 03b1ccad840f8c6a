"""What an operation was given: parameters of the URL, a Parameters resource, or the one resource it works on.

https://hl7.org/fhir/R4/operations.html#request https://hl7.org/fhir/R4/parameters.html
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from conformance import elements
from fhir_lab.documents import ExactDecimal
from fhir_lab.interactions.message import Request
from fhir_lab.interactions.operation import PRIMITIVE, Operation, Parameter
from fhir_lab.outcomes import BadRequest, Issue, nearest

Json = dict[str, Any]
_WHOLE = frozenset(("integer", "positiveInt", "unsignedInt"))
_LOWEST = {"positiveInt": 1, "unsignedInt": 0}
_MOMENTS = frozenset(("date", "dateTime", "instant"))
# Primitives that are written as text may stand for each other: clients send a code as a string.
_NOT_TEXT = _WHOLE | {"boolean", "decimal"}


class Arguments:
    """The values of an operation's in-parameters by name, each as JSON; one with parts is a nested `Arguments`.

    `criteria` are the search parameters of an operation that takes them.
    """

    def __init__(self, values: Mapping[str, list[Any]], criteria: Sequence[tuple[str, str]] = ()) -> None:
        self._values = values
        self.criteria = criteria

    @classmethod
    def of(cls, request: Request) -> "Arguments":
        """The arguments of a request.

        Raises `BadRequest` for an unknown name, a value of another type, too few or too many values.
        """
        operation = request.interaction.operation
        assert operation is not None
        given, criteria = _from_url(operation, request)
        if request.body is not None:
            sent, searched = _from_body(operation, request)
            given += sent
            criteria += searched
        return cls(_collected(operation.inputs.values(), given, f"${operation.code}"), criteria)

    def one(self, name: str, default: Any = None) -> Any:
        """The value of a parameter that may be given once."""
        return self._values[name][0] if name in self._values else default

    @property
    def given(self) -> list[tuple[str, str]]:
        """The primitive values as a URL carries them."""
        texts = {True: "true", False: "false"}
        return [
            (name, texts[value] if isinstance(value, bool) else str(value))
            for name, values in self._values.items()
            for value in values
            if isinstance(value, str | int | Decimal)
        ]

    def all(self, name: str) -> list[Any]:
        """The values of a parameter, in order."""
        return self._values.get(name, [])

    def having(self, name: str, value: Any) -> "Arguments":
        """The same arguments and one more."""
        return Arguments({**self._values, name: [value]}, self.criteria)

    def __contains__(self, name: str) -> bool:
        return name in self._values


def _from_url(operation: Operation, request: Request) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
    given: list[tuple[str, Any]] = []
    criteria: list[tuple[str, str]] = []
    for name, text in request.parameters:
        if "\0" in name or "\0" in text:
            raise BadRequest.of("A parameter holds the character NUL, which no value can have.", code="value")
        parameter = operation.inputs.get(name)
        if parameter is None and operation.search:
            criteria.append((name, text))
        elif parameter is None:
            if not request.lenient:
                raise _unknown(operation, name, f"http.{name[:64]}")
        elif not parameter.primitive:
            raise BadRequest.of(
                f"'{name}' is a {parameter.type or 'group of parts'}, which a URL cannot carry; POST a Parameters.",
                f"http.{name}",
            )
        elif text:
            given.append((name, _from_text(parameter, text)))
    return given, criteria


def _from_text(parameter: Parameter, text: str) -> Any:
    where = f"http.{parameter.name}"
    if parameter.type == "boolean":
        if text not in ("true", "false"):
            raise BadRequest.of(f"'{text[:40]}' is neither true nor false.", where, code="value")
        return text == "true"
    if parameter.type in _WHOLE:
        plain = text.removeprefix("-")
        if not (plain.isascii() and plain.isdigit()) or len(plain) > 10:
            raise BadRequest.of(
                f"'{text[:40]}' is no whole number, which '{parameter.name}' takes.", where, code="value"
            )
        _check_range(parameter, int(text), where)
        return int(text)
    if parameter.type == "decimal":
        try:
            return ExactDecimal(text)
        except ArithmeticError:
            raise BadRequest.of(f"'{text[:40]}' is not a decimal.", where, code="value") from None
    # A `+` that was not percent-encoded has arrived as a blank.
    return text.replace(" ", "+") if parameter.type in _MOMENTS else text


def _from_body(operation: Operation, request: Request) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
    body = request.body
    kind = body.get("resourceType") if isinstance(body, dict) else None
    if kind != "Parameters":
        return [(_parameter_for(operation, kind), body)], []
    issues = _errors(request.services.validator.check(_without_resources(body), "Parameters"))
    if issues:
        raise BadRequest(issues)
    given: list[tuple[str, Any]] = []
    criteria: list[tuple[str, str]] = []
    for index, each in enumerate(body.get("parameter", [])):
        name, where = each["name"], f"Parameters.parameter[{index}]"
        parameter = operation.inputs.get(name)
        if parameter is not None:
            given.append((name, _value_of(parameter, each, where)))
        elif operation.search and isinstance(text := _primitive(each), str):
            criteria.append((name, text))
        elif not request.lenient:
            raise _unknown(operation, name, f"{where}.name")
    return given, criteria


def _primitive(entry: Json) -> Any:
    return next((value for key, value in entry.items() if key.startswith("value")), None)


def _without_resources(body: Json) -> Json:
    """A resource that is a parameter is judged by the operation, which may exist to do just that."""
    entries = body.get("parameter")
    if not isinstance(entries, list):
        return body
    blank = {"resourceType": "Basic", "code": {"text": "-"}}
    return {
        **body,
        "parameter": [
            {**each, "resource": blank} if isinstance(each, dict) and "resource" in each else each for each in entries
        ],
    }


def _errors(issues: Iterable[Issue]) -> list[Issue]:
    return [issue for issue in issues if issue.severity in ("error", "fatal")]


def _parameter_for(operation: Operation, kind: Any) -> str:
    """The parameter that a body which is no Parameters resource stands for: the one that takes a resource."""
    for parameter in operation.inputs.values():
        if parameter.type == "Resource" or (parameter.type == kind and parameter.type):
            return parameter.name
    wanted = sorted({"Parameters", *(p.type for p in operation.inputs.values() if _is_resource(p))})
    found = f"'{kind[:64]}'" if isinstance(kind, str) else "none"
    raise BadRequest.of(f"${operation.code} takes a body of type {' or '.join(wanted)}; found {found}.", "resourceType")


def _is_resource(parameter: Parameter) -> bool:
    return parameter.type == "Resource" or elements().get(parameter.type, {}).get("kind") == "resource"


def _value_of(parameter: Parameter, entry: Json, where: str) -> Any:
    if parameter.parts:
        names = {part.name: part for part in parameter.parts}
        given = []
        for index, part in enumerate(entry.get("part", [])):
            place = f"{where}.part[{index}]"
            if part["name"] not in names:
                raise BadRequest.of(
                    f"'{part['name'][:64]}' is no part of '{parameter.name}'; it has: {', '.join(names)}.", place
                )
            given.append((part["name"], _value_of(names[part["name"]], part, place)))
        return Arguments(_collected(parameter.parts, given, where))
    if "resource" in entry:
        value, found = entry["resource"], str(entry["resource"].get("resourceType"))
        fits = parameter.type in ("Resource", found)
    else:
        name = next((key for key in entry if key.startswith("value")), "")
        value, found = entry.get(name), name.removeprefix("value")
        fits = _fits(parameter.type, found[:1].lower() + found[1:], found)
    if not fits:
        article = "an" if parameter.type[:1].lower() in "aeiou" else "a"
        raise BadRequest.of(
            f"'{parameter.name}' is {article} {parameter.type}; found {found or 'nothing'}.", where, code="value"
        )
    if parameter.type in _WHOLE:
        _check_range(parameter, value, f"{where}.value{found}")
    return value


def _check_range(parameter: Parameter, number: int, where: str) -> None:
    lowest = _LOWEST.get(parameter.type, -(2**31))
    if not lowest <= number < 2**31:
        raise BadRequest.of(
            f"'{parameter.name}' is {number}; a whole number from {lowest} is allowed.", where, code="value"
        )


def _fits(wanted: str, primitive: str, complex_type: str) -> bool:
    if wanted in _WHOLE:
        return primitive in _WHOLE
    if wanted in _NOT_TEXT or not wanted[:1].islower():
        return wanted in (primitive, complex_type)
    return primitive in PRIMITIVE and primitive not in _NOT_TEXT


def _collected(parameters: Iterable[Parameter], given: Iterable[tuple[str, Any]], where: str) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {}
    for name, value in given:
        values.setdefault(name, []).append(value)
    for parameter in parameters:
        count = len(values.get(parameter.name, ()))
        if count < parameter.min:
            raise BadRequest.of(f"'{parameter.name}' is missing: {parameter.documentation}", where, code="required")
        if parameter.max != "*" and count > int(parameter.max):
            raise BadRequest.of(f"'{parameter.name}' is given {count} times; {parameter.max} is allowed.", where)
    return values


def _unknown(operation: Operation, name: str, where: str) -> BadRequest:
    known = list(operation.inputs)
    listed = ", ".join(known) or "none"
    return BadRequest.of(
        f"${operation.code} has no parameter '{name[:64]}'.{nearest(name, known)} It has: {listed}.",
        where,
        code="not-supported",
    )
