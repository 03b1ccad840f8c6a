"""The laboratory's tables: typed columns and real foreign keys, keyed by the pk of the FHIR document.

Laboratory SQL, worklists and the hot searches use them. A date is kept twice: as FHIR text, which keeps its precision
and zone, and as a [low, high) range in microseconds UTC. `sort_key` is `low`, or NO_DATE where there is none.
The `*_coding` tables hold every coding of the searchable concepts and repeat the sort key, so that
"this code, newest first" is one index scan.

`pk` carries no foreign key to `resource`: the laboratory's own SQL inserts a row here first, and `fhir-lab adopt` makes
the document. On PostgreSQL `pk` then comes from the sequence by default; SQLite has none, see docs/mappers.md.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    event,
)

from fhir_lab.storage.tables.base import NO_DATE, Key, Micros, correlated, metadata, spanned


def _pk() -> Column[int]:
    return Column("pk", Key, primary_key=True, autoincrement=False)


def _refers(name: str, target: str) -> Column[int]:
    return Column(name, BigInteger, ForeignKey(f"{target}.pk", deferrable=True, initially="DEFERRED"))


def _sort_key() -> Column[int]:
    return Column("sort_key", Micros, nullable=False, server_default=str(NO_DATE))


patient = Table(
    "patient",
    metadata,
    _pk(),
    Column("active", Boolean),
    Column("identifier_system", Text),
    Column("identifier_value", Text),
    Column("family", Text),
    Column("given", Text),  # given names of the first name, parted by a blank
    Column("gender", String(10)),
    Column("birth_date", String(10)),  # FHIR date: YYYY, YYYY-MM or YYYY-MM-DD
    Column("birth_low", Date),
    Column("birth_high", Date),  # the last day the birth date may mean
    Column("deceased", Boolean),
    Column("deceased_at", Text),  # FHIR dateTime
    Column("phone", Text),
    Column("email", Text),
    Column("address_line", Text),  # lines parted by a line feed
    Column("city", Text),
    Column("state", Text),
    Column("postal_code", Text),
    Column("country", Text),
    _refers("organization_pk", "resource"),
    _refers("replaced_by_pk", "patient"),  # the patient that this one was merged into
    Index("ix_patient_identifier", "identifier_value", postgresql_using="hash"),
    Index("ix_patient_family", "family", postgresql_using="hash"),
    Index("ix_patient_birth", "birth_low", "pk"),
    Index("ix_patient_organization_pk", "organization_pk"),
    Index("ix_patient_replaced_by_pk", "replaced_by_pk"),
)

service_request = Table(
    "service_request",
    metadata,
    _pk(),
    Column("status", String(20)),
    Column("intent", String(20)),
    Column("priority", String(10)),
    Column("placer_system", Text),
    Column("placer_value", Text),  # the order number of the one who ordered
    Column("filler_system", Text),
    Column("filler_value", Text),  # the order number of the laboratory
    Column("identifier_system", Text),
    Column("identifier_value", Text),  # the first identifier that is neither
    Column("requisition_system", Text),
    Column("requisition_value", Text),
    Column("code_system", Text),
    Column("code", Text),
    Column("code_display", Text),
    Column("code_text", Text),
    _refers("patient_pk", "patient"),
    _refers("encounter_pk", "resource"),
    _refers("requester_pk", "resource"),
    Column("authored_on", Text),  # FHIR dateTime
    Column("authored_low", Micros),
    Column("authored_high", Micros),
    Column("occurrence", Text),  # FHIR dateTime
    _sort_key(),
    Index("ix_service_request_patient", "patient_pk", "sort_key", "pk"),
    Index("ix_service_request_status", "status", "sort_key", "pk"),
    Index("ix_service_request_authored", "sort_key", "pk"),
    Index("ix_service_request_authored_high", "authored_high", "pk"),
    Index("ix_service_request_encounter_pk", "encounter_pk"),
    Index("ix_service_request_requester_pk", "requester_pk"),
    Index("ix_service_request_placer", "placer_value", postgresql_using="hash"),
    Index("ix_service_request_filler", "filler_value", postgresql_using="hash"),
)

specimen = Table(
    "specimen",
    metadata,
    _pk(),
    Column("status", String(20)),
    Column("identifier_system", Text),
    Column("identifier_value", Text),
    Column("accession_system", Text),
    Column("accession_value", Text),
    Column("type_system", Text),
    Column("type_code", Text),
    Column("type_display", Text),
    Column("type_text", Text),
    _refers("patient_pk", "patient"),
    _refers("service_request_pk", "service_request"),
    _refers("parent_pk", "specimen"),
    Column("collected", Text),  # FHIR dateTime, or the start of a Period
    Column("collected_end", Text),
    Column("collected_type", String(10)),  # dateTime | Period; empty: as there is an end or not
    Column("collected_low", Micros),
    Column("collected_high", Micros),
    Column("received", Text),
    Column("received_low", Micros),
    _sort_key(),
    Index("ix_specimen_patient", "patient_pk", "sort_key", "pk"),
    Index("ix_specimen_collected", "sort_key", "pk"),
    Index("ix_specimen_collected_high", "collected_high", "pk"),
    Index("ix_specimen_accession", "accession_value", postgresql_using="hash"),
    Index("ix_specimen_identifier", "identifier_value", postgresql_using="hash"),
    Index("ix_specimen_service_request_pk", "service_request_pk"),
    Index("ix_specimen_parent_pk", "parent_pk"),
)

observation = Table(
    "observation",
    metadata,
    _pk(),
    Column("status", String(20)),
    Column("category", Text),  # first code of http://terminology.hl7.org/CodeSystem/observation-category
    Column("code_system", Text),
    Column("code", Text),
    Column("code_display", Text),
    Column("code_text", Text),
    _refers("patient_pk", "patient"),
    _refers("encounter_pk", "resource"),
    _refers("specimen_pk", "specimen"),
    _refers("service_request_pk", "service_request"),
    _refers("device_pk", "resource"),
    Column("effective", Text),  # FHIR dateTime, or the start of a Period
    Column("effective_end", Text),
    Column("effective_type", String(10)),  # dateTime | instant | Period | Timing; empty: as there is an end or not
    Column("effective_low", Micros),
    Column("effective_high", Micros),
    Column("issued", Text),
    Column("issued_low", Micros),
    Column("value_type", String(20)),  # Quantity | CodeableConcept | string | boolean | integer | dateTime | time
    Column("value_number", Double),
    Column("value_literal", Text),  # the number, date, time or boolean exactly as written
    Column("value_comparator", String(2)),
    Column("value_unit", Text),
    Column("value_system", Text),  # of the unit or of the coded answer
    Column("value_code", Text),
    Column("value_display", Text),
    Column("value_text", Text),
    Column("interpretation", Text),  # first code of http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation
    Column("range_low", Text),  # referenceRange[0], numbers as written
    Column("range_high", Text),
    Column("range_unit", Text),
    Column("range_text", Text),
    Column("data_absent_reason", Text),  # of http://terminology.hl7.org/CodeSystem/data-absent-reason
    _sort_key(),
    Index("ix_observation_patient", "patient_pk", "sort_key", "pk"),
    Index("ix_observation_status", "status", "sort_key", "pk"),
    Index("ix_observation_effective", "sort_key", "pk"),
    Index("ix_observation_effective_high", "effective_high", "pk"),
    Index("ix_observation_encounter", "encounter_pk", "sort_key", "pk"),
    Index("ix_observation_specimen_pk", "specimen_pk"),
    Index("ix_observation_service_request_pk", "service_request_pk"),
    Index("ix_observation_device_pk", "device_pk"),
)

diagnostic_report = Table(
    "diagnostic_report",
    metadata,
    _pk(),
    Column("status", String(20)),
    Column("category", Text),  # first code of http://terminology.hl7.org/CodeSystem/v2-0074
    Column("identifier_system", Text),
    Column("identifier_value", Text),
    Column("code_system", Text),
    Column("code", Text),
    Column("code_display", Text),
    Column("code_text", Text),
    _refers("patient_pk", "patient"),
    _refers("encounter_pk", "resource"),
    _refers("service_request_pk", "service_request"),
    _refers("specimen_pk", "specimen"),
    Column("effective", Text),  # FHIR dateTime, or the start of a Period
    Column("effective_end", Text),
    Column("effective_type", String(10)),  # dateTime | Period; empty: as there is an end or not
    Column("effective_low", Micros),
    Column("effective_high", Micros),
    Column("issued", Text),
    Column("issued_low", Micros),
    Column("issued_high", Micros),
    Column("conclusion", Text),
    _sort_key(),
    Index("ix_diagnostic_report_patient", "patient_pk", "sort_key", "pk"),
    Index("ix_diagnostic_report_status", "status", "sort_key", "pk"),
    Index("ix_diagnostic_report_effective", "sort_key", "pk"),
    Index("ix_diagnostic_report_effective_high", "effective_high", "pk"),
    Index("ix_diagnostic_report_issued", "issued_low", "pk"),
    Index("ix_diagnostic_report_encounter_pk", "encounter_pk"),
    Index("ix_diagnostic_report_service_request_pk", "service_request_pk"),
    Index("ix_diagnostic_report_specimen_pk", "specimen_pk"),
    Index("ix_diagnostic_report_identifier", "identifier_value", postgresql_using="hash"),
)


def _coding_table(name: str) -> Table:
    table = Table(
        f"{name}_coding",
        metadata,
        Column("param", Integer, nullable=False),
        Column("pk", Key, ForeignKey(f"{name}.pk"), nullable=False),
        Column("grp", SmallInteger, nullable=False),
        Column("system", Text, nullable=False),
        Column("code", Text, nullable=False),
        Column("patient_pk", BigInteger),
        _sort_key(),
        Index(f"ix_{name}_coding_patient", "patient_pk", "param", "code", "system", "sort_key", "pk"),
        Index(f"ix_{name}_coding_match", "param", "code", "system", "sort_key", "pk"),
        Index(f"ix_{name}_coding_pk", "pk", "param"),
    )
    correlated(table, "param", "code", "system")
    return table


service_request_coding = _coding_table("service_request")
observation_coding = _coding_table("observation")
diagnostic_report_coding = _coding_table("diagnostic_report")

# In the order their foreign keys ask for.
LAB_TABLES: dict[str, Table] = {
    "Patient": patient,
    "ServiceRequest": service_request,
    "Specimen": specimen,
    "Observation": observation,
    "DiagnosticReport": diagnostic_report,
}
CODING_TABLES: dict[str, Table] = {
    "ServiceRequest": service_request_coding,
    "Observation": observation_coding,
    "DiagnosticReport": diagnostic_report_coding,
}


def _number_rows(table: Table, connection: Connection, **_: object) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER TABLE {table.name} ALTER COLUMN pk SET DEFAULT nextval('resource_pk_seq')")


for _table in LAB_TABLES.values():
    event.listen(_table, "after_create", _number_rows)

# The dates that a search may bound from both sides, by table: from `sort_key` to this column.
SPANS = {
    "service_request": "authored_high",
    "specimen": "collected_high",
    "observation": "effective_high",
    "diagnostic_report": "effective_high",
}
for _table in (service_request, specimen, observation, diagnostic_report):
    spanned(_table, SPANS[_table.name])
