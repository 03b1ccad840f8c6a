"""Each role reaches exactly as far as its work asks for."""

import pytest

from fhir_lab.search.registry import Registry
from fhir_lab.security.access import Caller, Permission
from fhir_lab.security.roles import ROLES
from fhir_lab.security.scopes import parse_scopes

LETTERS: tuple[Permission, ...] = ("c", "r", "u", "d", "s")
LAB = ("Patient", "ServiceRequest", "Specimen", "Observation", "DiagnosticReport", "Subscription", "AuditEvent")


def test_the_roles_are_those_of_a_laboratory() -> None:
    assert list(ROLES) == ["clinician", "technician", "pathologist", "administrator", "auditor", "patient", "system"]


@pytest.mark.parametrize(
    ("role", "letters"),
    [
        ("clinician", ["rs", "crus", "rs", "rs", "rs", "", ""]),
        ("technician", ["crus", "crus", "crus", "crus", "crus", "", ""]),
        ("pathologist", ["rs", "rus", "rus", "crus", "crus", "", ""]),
        ("administrator", ["cruds", "cruds", "cruds", "cruds", "cruds", "cruds", ""]),
        ("auditor", ["", "", "", "", "", "", "rs"]),
        ("patient", ["rs", "rs", "rs", "rs", "rs", "", ""]),
        ("system", ["cruds"] * 7),
    ],
)
def test_a_role_grants_what_the_table_says(role: str, letters: list[str]) -> None:
    caller = Caller("anna", "app", ROLES[role].scopes, "r1", patient="7")
    granted = [
        "".join(letter for letter in LETTERS if not caller.access(resource_type, letter).denied)
        for resource_type in LAB
    ]
    assert granted == letters


def test_only_the_system_reaches_every_type() -> None:
    assert [name for name, role in ROLES.items() if any(scope.resource_type == "*" for scope in role.scopes)] == [
        "system"
    ]


def test_a_patient_reaches_nothing_without_a_launch_patient() -> None:
    assert Caller("anna", "app", ROLES["patient"].scopes, "r1").access("Observation", "r").denied


@pytest.mark.parametrize("name", ROLES)
def test_a_role_can_be_written_as_a_scope_value(name: str) -> None:
    assert parse_scopes(ROLES[name].scope) == ROLES[name].scopes


def test_every_scope_names_a_resource_type_of_r4() -> None:
    known = {"*", *Registry.load().types}
    assert [scope for role in ROLES.values() for scope in role.scopes if scope.resource_type not in known] == []
