"""The people and systems that may log in, each with one role."""

from sqlalchemy import Boolean, Column, String, Table, Text, UniqueConstraint

from fhir_lab.storage.tables.base import Micros, metadata

app_user = Table(
    "app_user",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("password", Text, nullable=False),  # argon2id, with its parameters and salt
    Column("role", String(20), nullable=False),  # a name in fhir_lab/security/roles.py
    Column("patient", String(64)),  # id of the Patient this user is
    Column("fhir_user", Text),  # reference to the resource that describes the user, Practitioner/7
    Column("active", Boolean, nullable=False),
    Column("created", Micros, nullable=False),
    UniqueConstraint("name"),
)
