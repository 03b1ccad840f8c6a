"""The resource owner password grant: name and password for a token, for scripts and the Swagger pages. Off by default.

https://www.rfc-editor.org/rfc/rfc6749#section-4.3
"""

from typing import Any

from fhir_lab.security.access import system
from fhir_lab.security.oauth import Form, OAuthError, invalid_client
from fhir_lab.security.roles import ROLES, Role
from fhir_lab.security.scopes import granted
from fhir_lab.security.tokens import DEFAULT_CLIENT, issue
from fhir_lab.security.users import password_matches
from fhir_lab.services import Services
from fhir_lab.storage import users
from fhir_lab.storage.unit import Unit
from fhir_lab.storage.users import User


def password_grant(services: Services, form: Form, client: tuple[str, str], request_id: str) -> dict[str, Any]:
    """The token response for a user's name and password.

    Grants the part of the requested scopes that the user's role covers; without a request, the whole role.
    `client` is its id and secret: this server's own public client, or nothing. Raises `OAuthError`.
    """
    client_id, secret = client
    if client_id not in ("", DEFAULT_CLIENT) or secret:
        raise invalid_client(f"Only the public client '{DEFAULT_CLIENT}', which has no secret, may use passwords.")
    user = _checked_user(services, form, request_id)
    role = ROLES[user.role]
    scope = _granted(form.get("scope"), role)
    token = issue(services, subject=user.name, scopes=scope, patient=user.patient, fhir_user=user.fhir_user)
    response = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": services.settings.token_ttl,
        "scope": scope,
    }
    return response if user.patient is None else {**response, "patient": user.patient}


def _checked_user(services: Services, form: Form, request_id: str) -> User:
    name, password = form.get("username"), form.get("password")
    if name is None or password is None:
        raise OAuthError("invalid_request", "username and password are needed.")
    with services.database.read() as connection:
        user = users.find(Unit(connection, system(request_id, "oauth2"), services), name)
    if not password_matches(user, password) or user is None:
        raise OAuthError("invalid_grant", "The name or the password is wrong.")
    return user


def _granted(requested: str | None, role: Role) -> str:
    scope = role.scope if requested is None else granted(requested, role.scopes)
    if not scope:
        raise OAuthError("invalid_scope", f"The role {role.name} covers none of the scopes asked for.")
    return scope
