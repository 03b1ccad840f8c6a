"""The token endpoint answers as RFC 6749 asks, grants no more than the role, and tells nobody who exists."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from fhir_lab.app import create_app
from fhir_lab.security.access import Caller, system
from fhir_lab.security.roles import ROLES
from fhir_lab.security.scopes import parse_scopes
from fhir_lab.security.tokens import authenticate
from fhir_lab.security.users import register
from fhir_lab.services import Services
from fhir_lab.storage import users
from fhir_lab.storage.unit import Unit
from tests.support.asgi import call

PASSWORD = "correct horse battery"


def _app(services: Services, **changes: Any) -> FastAPI:
    settings = services.settings.model_copy(update={"password_grant": True} | changes)
    services.settings = settings
    return create_app(services=services)


def _add(services: Services, name: str, role: str, patient: str | None = None) -> None:
    services.database.transact(
        lambda connection: register(
            Unit(connection, system("r1"), services), name=name, password=PASSWORD, role=role, patient=patient
        )
    )


def _token(app: FastAPI, headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
    return call(app, "POST", "/oauth2/token", data={"grant_type": "password"} | form, headers=headers or {})


def _assert_error(response: httpx.Response, status: int, error: str, description: str) -> None:
    assert (response.status_code, response.json()) == (status, {"error": error, "error_description": description})
    assert response.headers["Cache-Control"] == "no-store"


def test_a_name_and_a_password_become_a_token_with_the_scopes_of_the_role(services: Services) -> None:
    app = _app(services)
    _add(services, "anna", "clinician")
    response = _token(app, username="anna", password=PASSWORD)
    assert response.status_code == 200
    assert (response.headers["Cache-Control"], response.headers["Pragma"]) == ("no-store", "no-cache")
    body = response.json()
    token = body.pop("access_token")
    assert body == {"token_type": "Bearer", "expires_in": 3600, "scope": ROLES["clinician"].scope}
    assert authenticate(services, token, "r1") == Caller("anna", "fhir-lab", ROLES["clinician"].scopes, "r1")


def test_a_patient_gets_the_own_compartment_as_launch_context(services: Services) -> None:
    app = _app(services)
    _add(services, "bela", "patient", patient="7")
    body = _token(app, username="bela", password=PASSWORD, scope="patient/*.read").json()
    caller = authenticate(services, body["access_token"], "r1")
    assert (body["patient"], caller.patient) == ("7", "7")
    assert caller.scopes == ROLES["patient"].scopes


def test_asking_for_more_than_the_role_gives_the_role(sqlite_services: Services) -> None:
    app = _app(sqlite_services)
    _add(sqlite_services, "anna", "clinician")
    scope = "system/*.cruds user/Observation.* user/Patient.read openid"
    body = _token(app, username="anna", password=PASSWORD, scope=scope).json()
    assert body["scope"] == "user/Observation.rs user/Patient.read"
    assert authenticate(sqlite_services, body["access_token"], "r1").scopes == parse_scopes(body["scope"])


def test_asking_only_for_what_the_role_lacks_is_an_invalid_scope(sqlite_services: Services) -> None:
    app = _app(sqlite_services)
    _add(sqlite_services, "anna", "clinician")
    response = _token(app, username="anna", password=PASSWORD, scope="user/AuditEvent.rs")
    _assert_error(response, 400, "invalid_scope", "The role clinician covers none of the scopes asked for.")


def test_a_wrong_password_an_unknown_name_and_a_locked_user_get_one_answer(services: Services) -> None:
    app = _app(services)
    _add(services, "anna", "clinician")
    _add(services, "bela", "clinician")
    services.database.transact(
        lambda connection: users.set_active(Unit(connection, system("r1"), services), "bela", False)
    )
    for name, password in (("anna", "wrong"), ("nobody", PASSWORD), ("bela", PASSWORD), ("ANNA", PASSWORD)):
        response = _token(app, username=name, password=password)
        _assert_error(response, 400, "invalid_grant", "The name or the password is wrong.")


def test_passwords_are_not_taken_unless_the_setting_allows_it(sqlite_services: Services) -> None:
    app = _app(sqlite_services, password_grant=False)
    _add(sqlite_services, "anna", "clinician")
    response = _token(app, username="anna", password=PASSWORD)
    _assert_error(response, 400, "unsupported_grant_type", "This grant_type is not offered; offered: none.")


@pytest.mark.parametrize(
    ("options", "error", "description"),
    [
        (
            {"json": {"grant_type": "password"}},
            "invalid_request",
            "The body must be application/x-www-form-urlencoded.",
        ),
        ({"data": {}}, "invalid_request", "The body must be application/x-www-form-urlencoded."),
        ({"data": {"grant_type": ""}}, "invalid_request", "grant_type is missing."),
        ({"data": {"grant_type": ["password", "password"]}}, "invalid_request", "A parameter occurs twice."),
        (
            {"data": {"grant_type": "not_a_grant_type"}},
            "unsupported_grant_type",
            "This grant_type is not offered; offered: password.",
        ),
        ({"data": {"grant_type": "password"}}, "invalid_request", "username and password are needed."),
        ({"data": {"grant_type": "x" * 20_000}}, "invalid_request", "The body is larger than 16384 bytes."),
    ],
)
def test_a_malformed_request_is_told_what_is_wrong(
    sqlite_services: Services, options: dict[str, Any], error: str, description: str
) -> None:
    _assert_error(call(_app(sqlite_services), "POST", "/oauth2/token", **options), 400, error, description)


def test_reading_the_token_endpoint_is_not_allowed(sqlite_services: Services) -> None:
    assert call(_app(sqlite_services), "GET", "/oauth2/token").status_code == 405


@pytest.mark.parametrize(
    ("authorization", "form"),
    [
        ("Basic Og==", {}),  # an empty client, as Swagger UI sends it
        ("Basic Zmhpci1sYWI6", {}),  # fhir-lab without a secret
        ("", {"client_id": "fhir-lab"}),
    ],
)
def test_the_own_public_client_needs_no_secret(
    sqlite_services: Services, authorization: str, form: dict[str, str]
) -> None:
    app = _app(sqlite_services)
    _add(sqlite_services, "anna", "clinician")
    headers = {"Authorization": authorization} if authorization else {}
    assert _token(app, headers, username="anna", password=PASSWORD, **form).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "form"),
    [
        ("", {"client_id": "stranger"}),
        ("", {"client_id": "fhir-lab", "client_secret": "guess"}),
        ("Basic Zmhpci1sYWI6Z3Vlc3M=", {}),
        ("Basic ???", {}),
    ],
)
def test_another_client_is_refused_before_the_password_is_looked_at(
    sqlite_services: Services, authorization: str, form: dict[str, str]
) -> None:
    app = _app(sqlite_services)
    headers = {"Authorization": authorization} if authorization else {}
    response = _token(app, headers, username="anna", password=PASSWORD, **form)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert response.headers["WWW-Authenticate"] == 'Basic realm="FHIR Lab"'


def test_the_key_set_is_public(sqlite_services: Services) -> None:
    response = call(_app(sqlite_services), "GET", "/oauth2/jwks")
    assert response.json() == sqlite_services.keys.public_jwks()


@pytest.mark.parametrize("accept", ["*/*", "application/fhir+json", "text/html"])
def test_smart_discovery_names_only_what_works(sqlite_services: Services, accept: str) -> None:
    response = call(
        _app(sqlite_services), "GET", "/fhir/R4/.well-known/smart-configuration", headers={"Accept": accept}
    )
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "token_endpoint": "http://127.0.0.1:8000/oauth2/token",
        "jwks_uri": "http://127.0.0.1:8000/oauth2/jwks",
        "grant_types_supported": ["password"],
        "scopes_supported": ["patient/*.rs", "user/*.cruds", "system/*.cruds"],
        "capabilities": ["permission-patient", "permission-user", "permission-v1", "permission-v2"],
    }
