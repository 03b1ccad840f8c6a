"""`token` and `user`: what is printed is what works, and nothing else is printed."""

import json
from pathlib import Path

import pytest

from fhir_lab.security.access import Caller, system
from fhir_lab.security.tokens import authenticate
from fhir_lab.security.users import password_matches
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage import users
from fhir_lab.storage.unit import Unit
from tests.support.commands import call


def caller_of(token: str) -> Caller:
    services = Services(Settings())
    try:
        return authenticate(services, token, "test")
    finally:
        services.close()


def test_the_token_alone_is_printed_and_the_server_accepts_it(folder: Path) -> None:
    done = call("token", "--scope", "patient/Observation.rs", "--patient", "p1", "--user", "ann", "--ttl", "60")
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    caller = caller_of(done.out.strip())
    assert (caller.subject, caller.patient, [str(scope) for scope in caller.scopes]) == (
        "ann",
        "p1",
        ["patient/Observation.rs"],
    )


def test_without_a_scope_everything_is_granted(folder: Path) -> None:
    caller = caller_of(call("token").out.strip())
    assert [str(scope) for scope in caller.scopes] == ["system/*.cruds"]


def test_a_scope_that_grants_nothing_is_told_on_standard_error(folder: Path) -> None:
    done = call("token", "--scope", "openid user/Patient.sr patient/*.rs")
    assert done.code == 0
    assert done.err.splitlines() == [
        "Grants nothing, because it is not a SMART scope: user/Patient.sr",
        "The patient/ scopes grant nothing without --patient ID.",
    ]


def test_a_registered_user_gets_the_scopes_of_the_role(installation: Path) -> None:
    call("user", "add", "vic", "--role", "patient", "--patient", "p7", "--fhir-user", "Patient/p7")
    caller = caller_of(call("token", "--user", "vic").out.strip())
    assert (caller.subject, caller.patient, caller.fhir_user) == ("vic", "p7", "Patient/p7")
    assert {scope.context for scope in caller.scopes} == {"patient"}


def test_an_unknown_or_locked_user_gets_no_token(sqlite_installation: Path) -> None:
    unknown = call("token", "--user", "nobody")
    assert (unknown.code, unknown.out) == (1, "")
    call("user", "add", "vic", "--role", "clinician")
    call("user", "disable", "vic")
    locked = call("token", "--user", "vic")
    assert (locked.code, locked.out, locked.err) == (1, "", "The user 'vic' may not log in.\n")


def stored(name: str) -> users.User | None:
    services = Services(Settings())
    try:
        with services.database.read() as connection:
            return users.find(Unit(connection, system("test"), services), name)
    finally:
        services.close()


def test_the_printed_password_is_the_users_password(installation: Path) -> None:
    added = call("user", "add", "vic", "--role", "technician")
    assert (added.code, added.err) == (0, "")
    assert password_matches(stored("vic"), added.out.strip())
    changed = call("user", "password", "vic")
    assert not password_matches(stored("vic"), added.out.strip())
    assert password_matches(stored("vic"), changed.out.strip())


def test_users_are_listed_without_their_passwords(sqlite_installation: Path) -> None:
    call("user", "add", "vic", "--role", "technician")
    call("user", "add", "ann", "--role", "auditor")
    call("user", "disable", "vic")
    listed = json.loads(call("user", "list", "--json").out)
    assert [(user["name"], user["role"], user["active"]) for user in listed] == [
        ("ann", "auditor", True),
        ("vic", "technician", False),
    ]
    assert "password" not in listed[0]
    assert "technician" in call("user", "list").out


def test_a_locked_user_can_be_let_in_again(sqlite_installation: Path) -> None:
    secret = call("user", "add", "vic", "--role", "technician").out.strip()
    call("user", "disable", "vic")
    assert not password_matches(stored("vic"), secret)
    call("user", "enable", "vic")
    assert password_matches(stored("vic"), secret)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["add", "vic", "--role", "doctor"], "There is no role 'doctor'"),
        (["add", "Vic Tor", "--role", "technician"], "is no user name"),
        (["add", "vic", "--role", "patient"], "needs the id of a Patient"),
        (["disable", "vic"], "There is no user named 'vic'."),
    ],
)
def test_what_cannot_be_registered_is_refused_in_one_line(
    sqlite_installation: Path, arguments: list[str], reason: str
) -> None:
    done = call("user", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert reason in done.err
