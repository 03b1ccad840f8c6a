"""Patient <-> row of `patient`: the first identifier, name and address, one phone, one e-mail address, the survivor.

https://hl7.org/fhir/R4/patient.html
"""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from mappers.dates import day_columns
from mappers.elements import (
    Element,
    boolean,
    compact,
    identifier,
    identifier_columns,
    local,
    part,
    parts,
    referred,
    repeated,
    text,
)

RESOURCE = "Patient"
TABLE = "patient"


def to_row(resource: Element, resolve: Callable[[str], int | None], zone: ZoneInfo) -> dict[str, Any]:
    """Every column of `patient` but `pk`; see `mappers.Mapper`. A birth date is a day, whatever the zone."""
    name, address = part(resource, "name"), part(resource, "address")
    deceased_at = text(resource.get("deceasedDateTime"))
    return {
        "active": boolean(resource.get("active")),
        **identifier_columns(part(resource, "identifier"), "identifier"),
        "family": text(name.get("family")),
        "given": _joined(name.get("given"), " "),
        "gender": text(resource.get("gender")),
        **day_columns(resource.get("birthDate"), "birth"),
        "deceased": True if deceased_at else boolean(resource.get("deceasedBoolean")),
        "deceased_at": deceased_at,
        "phone": _contact(resource, "phone"),
        "email": _contact(resource, "email"),
        "address_line": _joined(address.get("line"), "\n"),
        "city": text(address.get("city")),
        "state": text(address.get("state")),
        "postal_code": text(address.get("postalCode")),
        "country": text(address.get("country")),
        "organization_pk": local(part(resource, "managingOrganization"), "Organization", resolve),
        "replaced_by_pk": _survivor(resource, resolve),
    }


def to_document(row: Mapping[str, Any], reference: Callable[[str, int], str | None]) -> dict[str, Any]:
    """The Patient that a row says; see `mappers.Mapper`."""
    name = compact(family=row.get("family"), given=_split(row.get("given"), " "))
    address = compact(
        line=_split(row.get("address_line"), "\n"),
        city=row.get("city"),
        state=row.get("state"),
        postalCode=row.get("postal_code"),
        country=row.get("country"),
    )
    deceased_at = row.get("deceased_at")
    other = referred(row, "replaced_by_pk", reference)
    return compact(
        resourceType=RESOURCE,
        identifier=repeated(identifier(row, "identifier")),
        active=row.get("active"),
        name=repeated(name),
        telecom=[{"system": system, "value": row[system]} for system in ("phone", "email") if row.get(system)],
        gender=row.get("gender"),
        birthDate=row.get("birth_date"),
        deceasedBoolean=None if deceased_at else row.get("deceased"),
        deceasedDateTime=deceased_at,
        address=repeated(address),
        managingOrganization=referred(row, "organization_pk", reference),
        link=[{"other": other, "type": "replaced-by"}] if other else None,
    )


def _survivor(resource: Element, resolve: Callable[[str], int | None]) -> int | None:
    links = (each for each in parts(resource, "link") if each.get("type") == "replaced-by")
    return next((local(part(each, "other"), "Patient", resolve) for each in links), None)


def _joined(words: Any, separator: str) -> str | None:
    known = [word for word in words if text(word)] if isinstance(words, list) else []
    return separator.join(known) or None


def _split(joined: Any, separator: str) -> list[str]:
    return [word for word in joined.split(separator) if word] if isinstance(joined, str) else []


def _contact(resource: Element, system: str) -> str | None:
    found = (text(each.get("value")) for each in parts(resource, "telecom") if each.get("system") == system)
    return next(filter(None, found), None)
