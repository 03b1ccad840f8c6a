"""Demo users, one per role, with passwords that are made once and kept in a file only its owner may read."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from fhir_lab.security.access import Caller
from fhir_lab.security.users import password_hash, register
from fhir_lab.services import Services
from fhir_lab.storage import users
from fhir_lab.storage.unit import Unit


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may log in to the demo."""

    name: str
    role: str
    patient: str | None = None
    fhir_user: str | None = None


PEOPLE = (
    Person("abara", "clinician", fhir_user="Practitioner/abara"),
    Person("weller", "technician", fhir_user="Practitioner/weller"),
    Person("halvorsen", "pathologist", fhir_user="Practitioner/halvorsen"),
    Person("admin", "administrator"),
    Person("auditor", "auditor"),
    Person("amara", "patient", patient="amara-okoye", fhir_user="Patient/amara-okoye"),
)


def ensure(services: Services, caller: Caller, file: Path) -> dict[str, str]:
    """Register who is missing; returns each name's password, as kept in `file`."""
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    passwords = {person.name: known.get(person.name) or secrets.token_urlsafe(12) for person in PEOPLE}
    with services.database.read() as connection:
        unit = Unit(connection, caller, services)
        registered = {person.name for person in PEOPLE if users.find(unit, person.name) is not None}
    if passwords != known:
        write_private(file, json.dumps(passwords, indent=2) + "\n")
    for person in PEOPLE:
        if person.name not in registered or person.name not in known:
            _store(services, caller, person, passwords[person.name], person.name in registered)
    return passwords


def _store(services: Services, caller: Caller, person: Person, password: str, registered: bool) -> None:
    with services.database.write() as connection:
        unit = Unit(connection, caller, services)
        if registered:
            users.set_password(unit, person.name, password_hash(password))
            return
        register(
            unit,
            name=person.name,
            password=password,
            role=person.role,
            patient=person.patient,
            fhir_user=person.fhir_user,
        )


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        os.fchmod(descriptor, 0o600)
        stream.write(text)
