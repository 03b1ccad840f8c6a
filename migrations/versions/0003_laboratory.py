"""The laboratory's tables and their codings."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# SQLite keeps a table in key order only for a column declared INTEGER.
key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

LAB_TABLES = ("patient", "service_request", "specimen", "observation", "diagnostic_report")
CODING_TABLES = ("service_request_coding", "observation_coding", "diagnostic_report_coding")


def upgrade() -> None:
    op.create_table(
        "patient",
        sa.Column("pk", key, autoincrement=False, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=True),
        sa.Column("identifier_system", sa.Text(), nullable=True),
        sa.Column("identifier_value", sa.Text(), nullable=True),
        sa.Column("family", sa.Text(), nullable=True),
        sa.Column("given", sa.Text(), nullable=True),
        sa.Column("gender", sa.String(length=10), nullable=True),
        sa.Column("birth_date", sa.String(length=10), nullable=True),
        sa.Column("birth_low", sa.Date(), nullable=True),
        sa.Column("birth_high", sa.Date(), nullable=True),
        sa.Column("deceased", sa.Boolean(), nullable=True),
        sa.Column("deceased_at", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("address_line", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("organization_pk", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_pk"],
            ["resource.pk"],
            name="fk_patient_organization_pk",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_patient"),
    )
    op.create_index("ix_patient_birth", "patient", ["birth_low", "pk"])
    op.create_index("ix_patient_family", "patient", ["family"], postgresql_using="hash")
    op.create_index("ix_patient_identifier", "patient", ["identifier_value"], postgresql_using="hash")
    op.create_index("ix_patient_organization_pk", "patient", ["organization_pk"])
    op.create_table(
        "service_request",
        sa.Column("pk", key, autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=True),
        sa.Column("intent", sa.String(length=20), nullable=True),
        sa.Column("priority", sa.String(length=10), nullable=True),
        sa.Column("placer_system", sa.Text(), nullable=True),
        sa.Column("placer_value", sa.Text(), nullable=True),
        sa.Column("filler_system", sa.Text(), nullable=True),
        sa.Column("filler_value", sa.Text(), nullable=True),
        sa.Column("identifier_system", sa.Text(), nullable=True),
        sa.Column("identifier_value", sa.Text(), nullable=True),
        sa.Column("requisition_system", sa.Text(), nullable=True),
        sa.Column("requisition_value", sa.Text(), nullable=True),
        sa.Column("code_system", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("code_display", sa.Text(), nullable=True),
        sa.Column("code_text", sa.Text(), nullable=True),
        sa.Column("patient_pk", sa.BigInteger(), nullable=True),
        sa.Column("encounter_pk", sa.BigInteger(), nullable=True),
        sa.Column("requester_pk", sa.BigInteger(), nullable=True),
        sa.Column("authored_on", sa.Text(), nullable=True),
        sa.Column("authored_low", sa.BigInteger(), nullable=True),
        sa.Column("authored_high", sa.BigInteger(), nullable=True),
        sa.Column("occurrence", sa.Text(), nullable=True),
        sa.Column("sort_key", sa.BigInteger(), server_default="-4611686018427387904", nullable=False),
        sa.ForeignKeyConstraint(
            ["encounter_pk"],
            ["resource.pk"],
            name="fk_service_request_encounter_pk",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["patient_pk"], ["patient.pk"], name="fk_service_request_patient_pk", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["requester_pk"],
            ["resource.pk"],
            name="fk_service_request_requester_pk",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_service_request"),
    )
    op.create_index("ix_service_request_authored", "service_request", ["sort_key", "pk"])
    op.create_index("ix_service_request_authored_high", "service_request", ["authored_high", "pk"])
    op.create_index("ix_service_request_encounter_pk", "service_request", ["encounter_pk"])
    op.create_index("ix_service_request_filler", "service_request", ["filler_value"], postgresql_using="hash")
    op.create_index("ix_service_request_patient", "service_request", ["patient_pk", "sort_key", "pk"])
    op.create_index("ix_service_request_placer", "service_request", ["placer_value"], postgresql_using="hash")
    op.create_index("ix_service_request_requester_pk", "service_request", ["requester_pk"])
    op.create_index("ix_service_request_status", "service_request", ["status", "sort_key", "pk"])
    op.create_table(
        "specimen",
        sa.Column("pk", key, autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=True),
        sa.Column("identifier_system", sa.Text(), nullable=True),
        sa.Column("identifier_value", sa.Text(), nullable=True),
        sa.Column("accession_system", sa.Text(), nullable=True),
        sa.Column("accession_value", sa.Text(), nullable=True),
        sa.Column("type_system", sa.Text(), nullable=True),
        sa.Column("type_code", sa.Text(), nullable=True),
        sa.Column("type_display", sa.Text(), nullable=True),
        sa.Column("type_text", sa.Text(), nullable=True),
        sa.Column("patient_pk", sa.BigInteger(), nullable=True),
        sa.Column("service_request_pk", sa.BigInteger(), nullable=True),
        sa.Column("parent_pk", sa.BigInteger(), nullable=True),
        sa.Column("collected", sa.Text(), nullable=True),
        sa.Column("collected_end", sa.Text(), nullable=True),
        sa.Column("collected_type", sa.String(length=10), nullable=True),
        sa.Column("collected_low", sa.BigInteger(), nullable=True),
        sa.Column("collected_high", sa.BigInteger(), nullable=True),
        sa.Column("received", sa.Text(), nullable=True),
        sa.Column("received_low", sa.BigInteger(), nullable=True),
        sa.Column("sort_key", sa.BigInteger(), server_default="-4611686018427387904", nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_pk"], ["specimen.pk"], name="fk_specimen_parent_pk", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["patient_pk"], ["patient.pk"], name="fk_specimen_patient_pk", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["service_request_pk"],
            ["service_request.pk"],
            name="fk_specimen_service_request_pk",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_specimen"),
    )
    op.create_index("ix_specimen_accession", "specimen", ["accession_value"], postgresql_using="hash")
    op.create_index("ix_specimen_collected", "specimen", ["sort_key", "pk"])
    op.create_index("ix_specimen_collected_high", "specimen", ["collected_high", "pk"])
    op.create_index("ix_specimen_identifier", "specimen", ["identifier_value"], postgresql_using="hash")
    op.create_index("ix_specimen_parent_pk", "specimen", ["parent_pk"])
    op.create_index("ix_specimen_patient", "specimen", ["patient_pk", "sort_key", "pk"])
    op.create_index("ix_specimen_service_request_pk", "specimen", ["service_request_pk"])
    op.create_table(
        "observation",
        sa.Column("pk", key, autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("code_system", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("code_display", sa.Text(), nullable=True),
        sa.Column("code_text", sa.Text(), nullable=True),
        sa.Column("patient_pk", sa.BigInteger(), nullable=True),
        sa.Column("encounter_pk", sa.BigInteger(), nullable=True),
        sa.Column("specimen_pk", sa.BigInteger(), nullable=True),
        sa.Column("service_request_pk", sa.BigInteger(), nullable=True),
        sa.Column("device_pk", sa.BigInteger(), nullable=True),
        sa.Column("effective", sa.Text(), nullable=True),
        sa.Column("effective_end", sa.Text(), nullable=True),
        sa.Column("effective_type", sa.String(length=10), nullable=True),
        sa.Column("effective_low", sa.BigInteger(), nullable=True),
        sa.Column("effective_high", sa.BigInteger(), nullable=True),
        sa.Column("issued", sa.Text(), nullable=True),
        sa.Column("issued_low", sa.BigInteger(), nullable=True),
        sa.Column("value_type", sa.String(length=20), nullable=True),
        sa.Column("value_number", sa.Double(), nullable=True),
        sa.Column("value_literal", sa.Text(), nullable=True),
        sa.Column("value_comparator", sa.String(length=2), nullable=True),
        sa.Column("value_unit", sa.Text(), nullable=True),
        sa.Column("value_system", sa.Text(), nullable=True),
        sa.Column("value_code", sa.Text(), nullable=True),
        sa.Column("value_display", sa.Text(), nullable=True),
        sa.Column("value_text", sa.Text(), nullable=True),
        sa.Column("interpretation", sa.Text(), nullable=True),
        sa.Column("range_low", sa.Text(), nullable=True),
        sa.Column("range_high", sa.Text(), nullable=True),
        sa.Column("range_unit", sa.Text(), nullable=True),
        sa.Column("range_text", sa.Text(), nullable=True),
        sa.Column("data_absent_reason", sa.Text(), nullable=True),
        sa.Column("sort_key", sa.BigInteger(), server_default="-4611686018427387904", nullable=False),
        sa.ForeignKeyConstraint(
            ["device_pk"], ["resource.pk"], name="fk_observation_device_pk", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["encounter_pk"], ["resource.pk"], name="fk_observation_encounter_pk", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["patient_pk"], ["patient.pk"], name="fk_observation_patient_pk", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["service_request_pk"],
            ["service_request.pk"],
            name="fk_observation_service_request_pk",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["specimen_pk"], ["specimen.pk"], name="fk_observation_specimen_pk", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_observation"),
    )
    op.create_index("ix_observation_device_pk", "observation", ["device_pk"])
    op.create_index("ix_observation_effective", "observation", ["sort_key", "pk"])
    op.create_index("ix_observation_effective_high", "observation", ["effective_high", "pk"])
    op.create_index("ix_observation_encounter", "observation", ["encounter_pk", "sort_key", "pk"])
    op.create_index("ix_observation_patient", "observation", ["patient_pk", "sort_key", "pk"])
    op.create_index("ix_observation_service_request_pk", "observation", ["service_request_pk"])
    op.create_index("ix_observation_specimen_pk", "observation", ["specimen_pk"])
    op.create_index("ix_observation_status", "observation", ["status", "sort_key", "pk"])
    op.create_table(
        "diagnostic_report",
        sa.Column("pk", key, autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("identifier_system", sa.Text(), nullable=True),
        sa.Column("identifier_value", sa.Text(), nullable=True),
        sa.Column("code_system", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("code_display", sa.Text(), nullable=True),
        sa.Column("code_text", sa.Text(), nullable=True),
        sa.Column("patient_pk", sa.BigInteger(), nullable=True),
        sa.Column("encounter_pk", sa.BigInteger(), nullable=True),
        sa.Column("service_request_pk", sa.BigInteger(), nullable=True),
        sa.Column("specimen_pk", sa.BigInteger(), nullable=True),
        sa.Column("effective", sa.Text(), nullable=True),
        sa.Column("effective_end", sa.Text(), nullable=True),
        sa.Column("effective_type", sa.String(length=10), nullable=True),
        sa.Column("effective_low", sa.BigInteger(), nullable=True),
        sa.Column("effective_high", sa.BigInteger(), nullable=True),
        sa.Column("issued", sa.Text(), nullable=True),
        sa.Column("issued_low", sa.BigInteger(), nullable=True),
        sa.Column("issued_high", sa.BigInteger(), nullable=True),
        sa.Column("conclusion", sa.Text(), nullable=True),
        sa.Column("sort_key", sa.BigInteger(), server_default="-4611686018427387904", nullable=False),
        sa.ForeignKeyConstraint(
            ["encounter_pk"],
            ["resource.pk"],
            name="fk_diagnostic_report_encounter_pk",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["patient_pk"],
            ["patient.pk"],
            name="fk_diagnostic_report_patient_pk",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["service_request_pk"],
            ["service_request.pk"],
            name="fk_diagnostic_report_service_request_pk",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["specimen_pk"],
            ["specimen.pk"],
            name="fk_diagnostic_report_specimen_pk",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_diagnostic_report"),
    )
    op.create_index("ix_diagnostic_report_effective", "diagnostic_report", ["sort_key", "pk"])
    op.create_index("ix_diagnostic_report_effective_high", "diagnostic_report", ["effective_high", "pk"])
    op.create_index("ix_diagnostic_report_encounter_pk", "diagnostic_report", ["encounter_pk"])
    op.create_index(
        "ix_diagnostic_report_identifier", "diagnostic_report", ["identifier_value"], postgresql_using="hash"
    )
    op.create_index("ix_diagnostic_report_issued", "diagnostic_report", ["issued_low", "pk"])
    op.create_index("ix_diagnostic_report_patient", "diagnostic_report", ["patient_pk", "sort_key", "pk"])
    op.create_index("ix_diagnostic_report_service_request_pk", "diagnostic_report", ["service_request_pk"])
    op.create_index("ix_diagnostic_report_specimen_pk", "diagnostic_report", ["specimen_pk"])
    op.create_index("ix_diagnostic_report_status", "diagnostic_report", ["status", "sort_key", "pk"])
    op.create_table(
        "service_request_coding",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", key, nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("patient_pk", sa.BigInteger(), nullable=True),
        sa.Column("sort_key", sa.BigInteger(), server_default="-4611686018427387904", nullable=False),
        sa.ForeignKeyConstraint(["pk"], ["service_request.pk"], name="fk_service_request_coding_pk"),
    )
    op.create_index(
        "ix_service_request_coding_match", "service_request_coding", ["param", "code", "system", "sort_key", "pk"]
    )
    op.create_index(
        "ix_service_request_coding_patient",
        "service_request_coding",
        ["patient_pk", "param", "code", "system", "sort_key", "pk"],
    )
    op.create_index("ix_service_request_coding_pk", "service_request_coding", ["pk", "param"])
    op.create_table(
        "observation_coding",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", key, nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("patient_pk", sa.BigInteger(), nullable=True),
        sa.Column("sort_key", sa.BigInteger(), server_default="-4611686018427387904", nullable=False),
        sa.ForeignKeyConstraint(["pk"], ["observation.pk"], name="fk_observation_coding_pk"),
    )
    op.create_index("ix_observation_coding_match", "observation_coding", ["param", "code", "system", "sort_key", "pk"])
    op.create_index(
        "ix_observation_coding_patient",
        "observation_coding",
        ["patient_pk", "param", "code", "system", "sort_key", "pk"],
    )
    op.create_index("ix_observation_coding_pk", "observation_coding", ["pk", "param"])
    op.create_table(
        "diagnostic_report_coding",
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("pk", key, nullable=False),
        sa.Column("grp", sa.SmallInteger(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("patient_pk", sa.BigInteger(), nullable=True),
        sa.Column("sort_key", sa.BigInteger(), server_default="-4611686018427387904", nullable=False),
        sa.ForeignKeyConstraint(["pk"], ["diagnostic_report.pk"], name="fk_diagnostic_report_coding_pk"),
    )
    op.create_index(
        "ix_diagnostic_report_coding_match", "diagnostic_report_coding", ["param", "code", "system", "sort_key", "pk"]
    )
    op.create_index(
        "ix_diagnostic_report_coding_patient",
        "diagnostic_report_coding",
        ["patient_pk", "param", "code", "system", "sort_key", "pk"],
    )
    op.create_index("ix_diagnostic_report_coding_pk", "diagnostic_report_coding", ["pk", "param"])
    if op.get_bind().dialect.name == "postgresql":
        for table in LAB_TABLES:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN pk SET DEFAULT nextval('resource_pk_seq')")
        for table in CODING_TABLES:
            op.execute(f"CREATE STATISTICS st_{table} (mcv, dependencies) ON param, code, system FROM {table}")


def downgrade() -> None:
    for table in (*reversed(CODING_TABLES), *reversed(LAB_TABLES)):
        op.drop_table(table)
