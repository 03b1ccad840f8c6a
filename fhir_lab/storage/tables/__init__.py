"""The tables, one file per part: documents, index, lab, journal, jobs, subscriptions, audit, users.

Importing this package fills `metadata`; Alembic and the tests compare the database with it.
"""

from fhir_lab.storage.tables.audit import audit_event
from fhir_lab.storage.tables.base import metadata
from fhir_lab.storage.tables.documents import change, outbox, resource, resource_history, sequence
from fhir_lab.storage.tables.estimates import ESTIMATES
from fhir_lab.storage.tables.index import (
    idx_date,
    idx_number,
    idx_position,
    idx_quantity,
    idx_reference,
    idx_string,
    idx_token,
    idx_uri,
)
from fhir_lab.storage.tables.jobs import job, job_file, job_part, job_patient, job_reference
from fhir_lab.storage.tables.journal import message
from fhir_lab.storage.tables.lab import (
    CODING_TABLES,
    LAB_TABLES,
    diagnostic_report,
    diagnostic_report_coding,
    observation,
    observation_coding,
    patient,
    service_request,
    service_request_coding,
    specimen,
)
from fhir_lab.storage.tables.parameters import reindex_run, search_parameter, search_parameter_stamp
from fhir_lab.storage.tables.subscriptions import notification, subscription_state
from fhir_lab.storage.tables.text import idx_text
from fhir_lab.storage.tables.users import app_user

__all__ = [
    "CODING_TABLES",
    "ESTIMATES",
    "LAB_TABLES",
    "app_user",
    "audit_event",
    "change",
    "diagnostic_report",
    "diagnostic_report_coding",
    "idx_date",
    "idx_number",
    "idx_position",
    "idx_quantity",
    "idx_reference",
    "idx_string",
    "idx_text",
    "idx_token",
    "idx_uri",
    "job",
    "job_file",
    "job_part",
    "job_patient",
    "job_reference",
    "message",
    "metadata",
    "notification",
    "observation",
    "observation_coding",
    "outbox",
    "patient",
    "reindex_run",
    "resource",
    "resource_history",
    "search_parameter",
    "search_parameter_stamp",
    "sequence",
    "service_request",
    "service_request_coding",
    "specimen",
    "subscription_state",
]
