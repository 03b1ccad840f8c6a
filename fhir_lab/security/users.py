"""Registering users and checking their passwords (argon2id).

https://www.rfc-editor.org/rfc/rfc9106 (argon2), parameters as in OWASP's password storage cheat sheet
"""

import re

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fhir_lab.outcomes import BadRequest
from fhir_lab.security.roles import role as role_named
from fhir_lab.storage import users
from fhir_lab.storage.unit import Unit
from fhir_lab.storage.users import User

# 19 MiB and two passes: 18 ms on the machine this was measured on.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
# The hash of a password nobody knows: checking it makes an unknown name take as long as a known one.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$7rtjRYVlwp2V08SkRqnl5A$EcAgw8xT/0Uz2YIzWeuhHql8wasmoxM4vUTqQ/MjgYg"


def register(
    unit: Unit, *, name: str, password: str, role: str, patient: str | None = None, fhir_user: str | None = None
) -> User:
    """Add a user with one of the roles of `roles.py`.

    `patient` is the id of the Patient a user of the role patient is. Raises `BadRequest` (name, password, role or
    patient not acceptable) and `Conflict` (the name is taken).
    """
    if not _NAME.fullmatch(name):
        raise BadRequest.of(
            f"'{name[:64]}' is no user name: 1 to 64 of a-z, 0-9, '.', '_', '@' and '-'.", "user.name", code="value"
        )
    role_named(role)
    if (role == "patient") != (patient is not None):
        raise BadRequest.of(
            "A user of the role patient needs the id of a Patient, and no other user has one.",
            "user.patient",
            code="value",
        )
    return users.add(
        unit, name=name, password_hash=password_hash(password), role=role, patient=patient, fhir_user=fhir_user
    )


def password_hash(password: str) -> str:
    """The argon2id hash of a new password. Raises `BadRequest` for one that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise BadRequest.of(
            f"The password has {len(password)} characters; {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} are needed.",
            "user.password",
            code="value",
        )
    return HASHER.hash(password)


def password_matches(user: User | None, password: str) -> bool:
    """True when this is the password of an active user. Takes the same time when there is no such user."""
    try:
        HASHER.verify(_NOBODY if user is None else user.password_hash, password[: LONGEST_PASSWORD + 1])
    except (VerificationError, InvalidHashError):
        return False
    return user is not None and user.active
