"""Users: who may log in, with which role. Passwords come here hashed and leave only for verification."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from fhir_lab.outcomes import Conflict, NotFound
from fhir_lab.storage.tables import app_user
from fhir_lab.storage.unit import Unit


@dataclass(frozen=True, slots=True)
class User:
    """One user. `password_hash` is argon2id text, `patient` the id of the Patient who the user is.

    `created` is in microseconds UTC.
    """

    id: str
    name: str
    password_hash: str
    role: str
    patient: str | None
    fhir_user: str | None
    active: bool
    created: int


def add(
    unit: Unit, *, name: str, password_hash: str, role: str, patient: str | None = None, fhir_user: str | None = None
) -> User:
    """Add an active user. Raises `Conflict` when the name is taken."""
    user = User(str(uuid.uuid4()), name, password_hash, role, patient, fhir_user, True, unit.services.clock.now())
    values = {
        "id": user.id,
        "name": name,
        "password": password_hash,
        "role": role,
        "patient": patient,
        "fhir_user": fhir_user,
        "active": True,
        "created": user.created,
    }
    try:
        with unit.connection.begin_nested():
            unit.connection.execute(insert(app_user).values(values))
    except IntegrityError:
        raise Conflict.of(f"There is a user named '{name}' already.", "user.name", code="duplicate") from None
    return user


def find(unit: Unit, name: str) -> User | None:
    """The user of this name, active or not."""
    row = unit.connection.execute(select(app_user).where(app_user.c.name == name)).first()
    return None if row is None else _user(row)


def every(unit: Unit) -> list[User]:
    """All users by name."""
    return [_user(row) for row in unit.connection.execute(select(app_user).order_by(app_user.c.name))]


def set_password(unit: Unit, name: str, password_hash: str) -> None:
    """Replace the password. Raises `NotFound`."""
    _change(unit, name, password=password_hash)


def set_active(unit: Unit, name: str, active: bool) -> None:
    """Let a user log in again, or no longer; tokens already issued run until they expire. Raises `NotFound`."""
    _change(unit, name, active=active)


def _change(unit: Unit, name: str, **values: Any) -> None:
    changed = unit.connection.execute(update(app_user).where(app_user.c.name == name).values(values))
    if changed.rowcount == 0:
        raise NotFound.of(f"There is no user named '{name}'.", "user.name")


def _user(row: Sequence[Any]) -> User:
    return User(*row)
