"""`user`: register the people who log in, list them, lock them out, give them a new password."""

import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_lab.commands.common import caller, in_columns, need_schema, services

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_lab.storage.unit import Unit
    from fhir_lab.storage.users import User

Name = Annotated[str, typer.Argument(help="The user's name.")]
Ask = Annotated[bool, typer.Option("--ask", help="Ask for the password instead of making one up.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Register, list, lock and unlock users.")
    app.add_typer(group, name="user")
    group.command("add")(add)
    group.command("list")(list_users)
    group.command("password")(password)
    group.command("disable")(disable)
    group.command("enable")(enable)


def add(
    name: Name,
    role: Annotated[str, typer.Option(help="clinician, technician, pathologist, administrator, auditor, patient.")],
    patient: Annotated[str | None, typer.Option(help="Id of the Patient that a user of the role patient is.")] = None,
    fhir_user: Annotated[str | None, typer.Option(help="The user as FHIR knows them, such as Practitioner/7.")] = None,
    ask: Ask = False,
) -> None:
    """Register a user; prints the password unless you were asked for it."""
    from fhir_lab.security.users import register as register_user

    secret = _password(ask)
    _write(
        lambda unit: register_user(unit, name=name, password=secret, role=role, patient=patient, fhir_user=fhir_user)
    )
    print(f"{name} registered." if ask else secret)


def list_users(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the users; passwords are stored as hashes and cannot be shown."""
    from fhir_lab.clock import instant
    from fhir_lab.storage import users
    from fhir_lab.storage.unit import Unit

    with services() as found:
        need_schema(found)
        with found.database.read() as connection:
            listed = users.every(Unit(connection, caller("user"), found))
    if as_json:
        import json

        print(json.dumps([_shown(user) for user in listed], indent=2))
        return
    head = ("name", "role", "may log in", "patient", "FHIR user", "created")
    rows = (
        (user.name, user.role, "yes" if user.active else "no", user.patient, user.fhir_user, instant(user.created))
        for user in listed
    )
    print(in_columns(head, rows))


def _shown(user: "User") -> dict[str, str | bool | None]:
    from fhir_lab.clock import instant

    return {
        "name": user.name,
        "role": user.role,
        "patient": user.patient,
        "fhirUser": user.fhir_user,
        "active": user.active,
        "created": instant(user.created),
    }


def password(name: Name, ask: Ask = False) -> None:
    """Give a user a new password; prints it unless you were asked for it."""
    from fhir_lab.security.users import password_hash
    from fhir_lab.storage import users

    secret = _password(ask)
    hashed = password_hash(secret)
    _write(lambda unit: users.set_password(unit, name, hashed))
    print(f"{name} has a new password." if ask else secret)


def disable(name: Name) -> None:
    """Lock a user out; tokens already issued run until they expire."""
    _set_active(name, False)


def enable(name: Name) -> None:
    """Let a user log in again."""
    _set_active(name, True)


def _set_active(name: str, active: bool) -> None:
    from fhir_lab.storage import users

    _write(lambda unit: users.set_active(unit, name, active))
    print(f"{name} {'may' if active else 'may not'} log in.")


def _password(ask: bool) -> str:
    if ask:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return secrets.token_urlsafe(15)


def _write(work: "Callable[[Unit], object]") -> None:
    from fhir_lab.storage.unit import Unit

    with services() as found:
        need_schema(found)
        found.database.transact(lambda connection: work(Unit(connection, caller("user"), found)))
