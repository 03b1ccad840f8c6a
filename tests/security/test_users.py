"""Users have one role, a hashed password and a name nobody else has."""

import time
from typing import Any

import pytest
from argon2 import extract_parameters

from fhir_lab.outcomes import BadRequest, Conflict, NotFound
from fhir_lab.security import users as registration
from fhir_lab.security.access import system
from fhir_lab.security.users import HASHER, password_hash, password_matches, register
from fhir_lab.services import Services
from fhir_lab.storage import users
from fhir_lab.storage.unit import Unit
from fhir_lab.storage.users import User

PASSWORD = "correct horse battery"


def _register(services: Services, **changes: Any) -> User:
    values: dict[str, Any] = {"name": "anna", "password": PASSWORD, "role": "clinician"} | changes
    return services.database.transact(
        lambda connection: register(Unit(connection, system("r1"), services), **values),
    )


def _find(services: Services, name: str) -> User | None:
    with services.database.read() as connection:
        return users.find(Unit(connection, system("r1"), services), name)


def test_a_user_is_stored_with_a_hash_only(services: Services) -> None:
    user = _register(services, fhir_user="Practitioner/7")
    assert _find(services, "anna") == user
    assert (user.name, user.role, user.patient, user.fhir_user, user.active) == (
        *("anna", "clinician", None, "Practitioner/7"),
        True,
    )
    assert user.password_hash.startswith("$argon2id$")
    assert password_matches(user, PASSWORD)
    assert not password_matches(user, PASSWORD + "x")


def test_a_name_is_given_once(services: Services) -> None:
    first = _register(services)
    with pytest.raises(Conflict, match="There is a user named 'anna' already"):
        _register(services, role="auditor")
    assert _find(services, "anna") == first


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "Anna"}, "is no user name"),
        ({"name": ""}, "is no user name"),
        ({"name": "anna\n"}, "is no user name"),
        ({"name": "a" * 65}, "is no user name"),
        ({"password": "short"}, "The password has 5 characters; 12 to 256 are needed"),
        ({"password": "x" * 257}, "The password has 257 characters"),
        ({"role": "clinican"}, "There is no role 'clinican'.*Did you mean 'clinician'?"),
        ({"role": "patient"}, "needs the id of a Patient"),
        ({"role": "clinician", "patient": "7"}, "no other user has one"),
    ],
)
def test_what_makes_no_sensible_user_is_refused(
    sqlite_services: Services, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(BadRequest, match=reason):
        _register(sqlite_services, **changes)
    with sqlite_services.database.read() as connection:
        assert users.every(Unit(connection, system("r1"), sqlite_services)) == []


def test_a_password_is_replaced_and_a_user_locked_out_and_let_in(services: Services) -> None:
    _register(services)
    _register(services, name="bela", role="patient", patient="7")

    def change(action: Any, *values: Any) -> None:
        services.database.transact(lambda connection: action(Unit(connection, system("r1"), services), *values))

    change(users.set_password, "anna", password_hash("another long password"))
    assert not password_matches(_find(services, "anna"), PASSWORD)
    assert password_matches(_find(services, "anna"), "another long password")
    change(users.set_active, "anna", False)
    assert not password_matches(_find(services, "anna"), "another long password")
    change(users.set_active, "anna", True)
    assert password_matches(_find(services, "anna"), "another long password")
    assert password_matches(_find(services, "bela"), PASSWORD)
    with pytest.raises(NotFound, match="There is no user named 'nobody'"):
        change(users.set_active, "nobody", False)
    with services.database.read() as connection:
        assert [user.name for user in users.every(Unit(connection, system("r1"), services))] == ["anna", "bela"]


def test_an_unknown_name_takes_as_long_as_a_known_one() -> None:
    nobody = extract_parameters(registration._NOBODY)
    assert nobody == extract_parameters(HASHER.hash(PASSWORD))
    started = time.perf_counter()
    assert not password_matches(None, PASSWORD)
    assert time.perf_counter() - started > 0.004
