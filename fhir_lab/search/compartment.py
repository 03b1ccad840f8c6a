"""The compartments of many patients as a set: of all of them, or of those that a job names.

https://hl7.org/fhir/R4/compartmentdefinition-patient.html

What R4's compartment leaves out although it is of one patient (`access.LINKED_TYPES`) is counted in.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, FromClause, Select, and_, select

from fhir_lab.documents import Resource
from fhir_lab.search.access import LINKED_TYPES
from fhir_lab.search.columns import ANSWERED, ReferenceColumn
from fhir_lab.search.kinds import reference
from fhir_lab.search.registry import Registry, SearchParameter
from fhir_lab.search.rows import MOST
from fhir_lab.search.sets import Rows, Set, Test, live, union_of
from fhir_lab.search.snapshot import Judge
from fhir_lab.search.values import Place
from fhir_lab.services import Services
from fhir_lab.storage.tables import LAB_TABLES, idx_reference, job_patient, resource

PATIENT = "Patient"


def types_of(registry: Registry) -> tuple[str, ...]:
    """The resource types that may be in a patient's compartment, Patient among them."""
    known = {PATIENT, *LINKED_TYPES, *registry.compartment(PATIENT)}
    return tuple(name for name in registry.types if name in known)


def of_all(registry: Registry, resource_type: str) -> Set:
    """The resources of a type that are in the compartment of any patient."""
    if resource_type == PATIENT:
        return live(PATIENT)
    return union_of([_referring(parameter, None) for parameter in _parameters(registry, resource_type)])


def of_job(registry: Registry, resource_type: str, job_id: str) -> Set:
    """The resources of a type that are in the compartment of a patient of this job; of Patient, these themselves."""
    patients = select(job_patient.c.pk).where(job_patient.c.job_id == job_id)
    if resource_type == PATIENT:
        alive = live(PATIENT)
        return Rows(resource, lambda row: and_(alive.test(row), row.c.pk.in_(patients)), MOST)
    return union_of([_referring(parameter, patients) for parameter in _parameters(registry, resource_type)])


def judge(services: Services, resource_type: str, ids: Collection[str] | None) -> Judge:
    """Tells of a document of the type what the sets tell of the current one; `ids` are the patients, None for any."""
    place = Place(services.settings.zone, services.settings.fhir_base)
    parameters = _parameters(services.registry, resource_type)

    def within(found: Resource) -> bool:
        if resource_type == PATIENT:
            return ids is None or found["id"] in ids
        return any(
            kind == PATIENT and patient is not None and (ids is None or patient in ids)
            for parameter in parameters
            for node in services.registry.evaluate(parameter, found)
            for kind, patient, *_ in reference.extract(node, place)
        )

    return within


def _parameters(registry: Registry, resource_type: str) -> list[SearchParameter]:
    codes = LINKED_TYPES.get(resource_type) or registry.compartment(PATIENT).get(resource_type, ())
    return [found for code in codes if (found := registry.get(resource_type, code)) is not None]


def _referring(parameter: SearchParameter, patients: Select[tuple[int]] | None) -> Set:
    indexed = Rows(idx_reference, _indexed(parameter.id, patients), MOST)
    column = ANSWERED.get((parameter.type, parameter.code))
    if not isinstance(column, ReferenceColumn) or column.target != PATIENT:
        return indexed
    name = column.column.name

    def test(row: FromClause) -> ColumnElement[bool]:
        return row.c[name].is_not(None) if patients is None else row.c[name].in_(patients)

    return union_of([Rows(LAB_TABLES[parameter.type], test, MOST), indexed])


def _indexed(parameter_id: int, patients: Select[tuple[int]] | None) -> Test:
    def test(row: FromClause) -> ColumnElement[bool]:
        if patients is None:
            target = and_(row.c.target_type == PATIENT, row.c.target_pk.is_not(None))
        else:
            target = row.c.target_pk.in_(patients)
        return and_(row.c.param == parameter_id, target)

    return test
