"""`token`: print a bearer token for scripts and tests."""

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_lab.commands.common import caller, fail, need_schema, services

if TYPE_CHECKING:
    from fhir_lab.services import Services
    from fhir_lab.storage.users import User

# Scopes that speak of the user or the launch instead of resources.
_OTHER_SCOPES = {"openid", "profile", "fhirUser", "launch", "offline_access", "online_access"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(token)


def token(
    scope: Annotated[
        str | None,
        typer.Option(help="Space-separated SMART scopes. Default: what the user's role grants, else system/*.cruds."),
    ] = None,
    patient: Annotated[str | None, typer.Option(help="Id of the Patient that patient/ scopes reach.")] = None,
    user: Annotated[str | None, typer.Option(help="Who the token speaks for; by default your login name.")] = None,
    ttl: Annotated[int | None, typer.Option(help="Seconds it is valid; by default FHIR_LAB_TOKEN_TTL.", min=1)] = None,
) -> None:
    """Print a bearer token, nothing else."""
    from fhir_lab.security.roles import role
    from fhir_lab.security.tokens import issue

    with services() as found:
        fhir_user = None
        if scope is None and user is not None:
            registered = _registered(found, user)
            scope, fhir_user = role(registered.role).scope, registered.fhir_user
            patient = patient or registered.patient
        scopes = scope or "system/*.cruds"
        warn_of_useless(scopes, patient)
        subject = user or getpass.getuser()
        print(issue(found, subject=subject, scopes=scopes, patient=patient, fhir_user=fhir_user, ttl=ttl))


def _registered(found: "Services", name: str) -> "User":
    from fhir_lab.storage import users
    from fhir_lab.storage.unit import Unit

    need_schema(found)
    with found.database.read() as connection:
        user = users.find(Unit(connection, caller("token"), found), name)
    if user is None:
        fail(f"There is no user named '{name}'. Register one with fhir-lab user add, or name the --scope.")
    if not user.active:
        fail(f"The user '{name}' may not log in.")
    return user


def warn_of_useless(scopes: str, patient: str | None) -> None:
    """Say on standard error which scopes will grant nothing."""
    from fhir_lab.security.scopes import parse_scope

    words = scopes.split()
    for word in words:
        if parse_scope(word) is None and word.partition("/")[0] not in _OTHER_SCOPES:
            print(f"Grants nothing, because it is not a SMART scope: {word}", file=sys.stderr)
    if patient is None and any(word.startswith("patient/") for word in words):
        print("The patient/ scopes grant nothing without --patient ID.", file=sys.stderr)
