"""The one door for writes: what it stores, what it refuses, and that it stores all or nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from fhir_lab.documents import parse
from fhir_lab.outcomes import (
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    NotFound,
    PreconditionFailed,
    Unprocessable,
)
from fhir_lab.security.access import Caller, system
from fhir_lab.security.scopes import parse_scopes
from fhir_lab.services import Services
from fhir_lab.storage import repository
from fhir_lab.storage.history import history
from fhir_lab.storage.tables import (
    audit_event,
    change,
    idx_date,
    idx_quantity,
    idx_reference,
    idx_string,
    idx_token,
    metadata,
    observation,
    observation_coding,
    outbox,
    patient,
    resource,
    resource_history,
)
from fhir_lab.storage.transaction import Entry, Written, apply, entries_of
from fhir_lab.storage.unit import Unit

PATIENT = {"resourceType": "Patient", "name": [{"family": "Okafor", "given": ["Ada"]}], "birthDate": "1985-07-02"}
LAB = "http://terminology.hl7.org/CodeSystem/observation-category"


def result(subject: str, value: str = "6.30", **more: Any) -> dict[str, Any]:
    """An HbA1c result whose decimal is written exactly as `value`."""
    document: dict[str, Any] = parse(
        f"""{{"resourceType": "Observation", "status": "final", "subject": {{"reference": "{subject}"}},
        "category": [{{"coding": [{{"system": "{LAB}", "code": "laboratory"}}]}}],
        "code": {{"coding": [{{"system": "http://loinc.org", "code": "4548-4"}}], "text": "HbA1c"}},
        "effectiveDateTime": "2026-03-04T08:00:00+01:00",
        "valueQuantity": {{"value": {value}, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}}}}"""
    )
    return document | more


def write(services: Services, *entries: Entry, caller: Caller | None = None) -> list[Written]:
    who = caller or system("test")
    return services.database.transact(lambda connection: apply(Unit(connection, who, services), entries))


def look(services: Services, ask: Callable[[Unit], Any], caller: Caller | None = None) -> Any:
    with services.database.read() as connection:
        return ask(Unit(connection, caller or system("test"), services))


def count(services: Services, table: Any, *where: Any) -> int:
    with services.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def put(document: dict[str, Any], resource_id: str, **more: Any) -> Entry:
    return Entry("PUT", document["resourceType"], resource_id, document | {"id": resource_id}, **more)


def test_a_create_writes_document_lab_row_index_change_outbox_and_audit_together(services: Services) -> None:
    [subject] = write(services, Entry("POST", "Patient", resource=PATIENT))
    [stored] = write(services, Entry("POST", "Observation", resource=result(f"Patient/{subject.id}")))
    assert (stored.status, stored.version) == (201, 1)
    assert '"value":6.30,' in (stored.content or "")
    with services.database.read() as connection:
        row = connection.execute(select(observation).where(observation.c.pk == stored.pk)).one()
        assert (row.status, row.code, row.patient_pk, row.value_literal) == ("final", "4548-4", subject.pk, "6.30")
        codings = connection.execute(select(observation_coding.c.code, observation_coding.c.patient_pk)).all()
        assert sorted(codings) == [("4548-4", subject.pk), ("laboratory", subject.pk)]
    assert count(services, idx_quantity, idx_quantity.c.pk == stored.pk) >= 1
    assert count(services, change) == count(services, outbox) == count(services, audit_event) == 2
    assert look(services, lambda unit: repository.read(unit, "Observation", stored.id)).content == stored.content


def test_versions_keep_their_exact_text_and_a_deleted_resource_is_gone(services: Services) -> None:
    write(services, put(PATIENT, "p"))
    for value in ("6.30", "6.3"):
        write(services, put(result("Patient/p", value), "o"))
    write(services, Entry("DELETE", "Observation", "o"))
    texts = [
        look(services, lambda unit, n=n: repository.read_version(unit, "Observation", "o", n)).content for n in (1, 2)
    ]
    assert '"value":6.30,' in texts[0]
    assert '"value":6.3,' in texts[1]
    with pytest.raises(Gone):
        look(services, lambda unit: repository.read(unit, "Observation", "o"))
    with pytest.raises(Gone):
        look(services, lambda unit: repository.read_version(unit, "Observation", "o", 3))
    with pytest.raises(NotFound):
        look(services, lambda unit: repository.read_version(unit, "Observation", "o", 4))
    page = look(services, lambda unit: history(unit, "Observation", "o"))
    assert [(v.version, v.interaction) for v in page.versions] == [(3, "delete"), (2, "update"), (1, "update")]
    gone = look(services, lambda unit: history(unit, "Observation", "o")).versions[0].pk
    for table in (idx_token, idx_date, idx_quantity, idx_string, observation, observation_coding):
        assert count(services, table, table.c.pk == gone) == 0
    assert count(services, idx_reference) == 0


def test_a_put_on_a_deleted_id_revives_it_as_a_new_version(services: Services) -> None:
    write(services, put(PATIENT, "p"))
    write(services, Entry("DELETE", "Patient", "p"))
    [revived] = write(services, put(PATIENT, "p"))
    assert (revived.status, revived.version) == (201, 3)
    assert count(services, patient) == 1


def test_a_put_that_changes_nothing_makes_no_version(services: Services) -> None:
    write(services, put(PATIENT, "p"))
    reordered = dict(reversed(PATIENT.items()))
    [same] = write(services, put(reordered, "p"))
    assert (same.status, same.version) == (200, 1)
    assert count(services, change) == 1


def test_a_changed_precision_is_a_change(services: Services) -> None:
    write(services, put(PATIENT, "p"))
    write(services, put(result("Patient/p", "6.3"), "o"))
    [changed] = write(services, put(result("Patient/p", "6.30"), "o"))
    assert changed.version == 2


@pytest.mark.parametrize("step", range(9))
def test_a_write_that_dies_between_two_steps_leaves_nothing(
    services: Services, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(services, put(PATIENT, "p"))
    before = {table.name: count(services, table) for table in metadata.sorted_tables}
    from fhir_lab.storage import bulk

    flush = bulk.Batch.flush

    def die_after_some(self: bulk.Batch) -> None:
        self._steps = self._steps[:step]
        flush(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(bulk.Batch, "flush", die_after_some)
    with pytest.raises(KeyboardInterrupt):
        write(services, put(result("Patient/p"), "o"), put(PATIENT | {"gender": "female"}, "p"))
    counted = {table.name: count(services, table) for table in metadata.sorted_tables}
    assert counted | {"sequence": 0} == before | {"sequence": 0}
    assert look(services, lambda unit: repository.read(unit, "Patient", "p")).version == 1


def test_a_reference_to_nothing_is_refused_and_named(services: Services) -> None:
    with pytest.raises(Unprocessable) as refused:
        write(services, Entry("POST", "Observation", resource=result("Patient/nobody")))
    [issue] = refused.value.issues
    assert issue.expression == ("Observation.subject.reference",)
    assert issue.details == "The reference 'Patient/nobody' leads to nothing: there is no Patient with the id 'nobody'."
    assert count(services, resource) == 0


def test_a_resource_that_is_referred_to_is_not_deleted(services: Services) -> None:
    write(services, put(PATIENT, "p"))
    write(services, put(result("Patient/p"), "o"))
    with pytest.raises(Conflict) as refused:
        write(services, Entry("DELETE", "Patient", "p"))
    assert refused.value.issues[0].details == "Patient/p cannot be deleted: Observation/o refer to it."
    both = write(services, Entry("DELETE", "Patient", "p"), Entry("DELETE", "Observation", "o"))
    assert [written.status for written in both] == [204, 204]


def test_a_transaction_links_its_entries_by_full_url(services: Services) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:11111111-1111-4111-8111-111111111111",
                "resource": result("urn:uuid:22222222-2222-4222-8222-222222222222"),
                "request": {"method": "POST", "url": "Observation"},
            },
            {
                "fullUrl": "urn:uuid:22222222-2222-4222-8222-222222222222",
                "resource": PATIENT,
                "request": {"method": "POST", "url": "Patient"},
            },
        ],
    }
    stored, subject = write(services, *entries_of(bundle))
    assert f'"reference":"Patient/{subject.id}"' in (stored.content or "")
    assert bundle["entry"][0]["resource"]["subject"]["reference"].startswith("urn:uuid:2222")


def test_a_urn_that_no_entry_has_is_refused(services: Services) -> None:
    entries = [Entry("POST", "Patient", resource=PATIENT, label="Bundle.entry[0]")]
    entries.append(Entry("POST", "Observation", resource=result("urn:uuid:3"), label="Bundle.entry[1]"))
    with pytest.raises(BadRequest) as refused:
        write(services, *entries)
    assert refused.value.issues[0].expression == ("Bundle.entry[1].resource.subject.reference",)


def test_two_entries_that_write_the_same_resource_are_refused(services: Services) -> None:
    with pytest.raises(BadRequest) as refused:
        write(services, put(PATIENT, "p", label="Bundle.entry[0]"), put(PATIENT, "p", label="Bundle.entry[1]"))
    assert "Bundle.entry[0] and this entry both write Patient/p" in refused.value.issues[0].details


@pytest.mark.parametrize(("etag", "error"), [('W/"7"', PreconditionFailed), ("W/'1'", BadRequest), ('W/"1"', None)])
def test_if_match_guards_the_version(services: Services, etag: str, error: type[Exception] | None) -> None:
    write(services, put(PATIENT, "p"))
    entry = put(PATIENT | {"gender": "female"}, "p", if_match=etag)
    if error is None:
        assert write(services, entry)[0].version == 2
        return
    with pytest.raises(error):
        write(services, entry)


def test_a_conditional_create_finds_what_is_there(services: Services) -> None:
    identified = PATIENT | {"identifier": [{"system": "urn:mrn", "value": "7"}]}
    entry = Entry("POST", "Patient", resource=identified, if_none_exist="identifier=urn:mrn|7")
    [made] = write(services, entry)
    [met] = write(services, entry)
    assert (made.status, met.status, met.id) == (201, 200, made.id)
    first, second = write(
        services, Entry("POST", "Patient", resource=identified, if_none_exist="identifier=urn:mrn|8"), entry
    )
    assert (first.status, second.id) == (201, made.id)


def test_a_condition_that_several_match_is_refused(services: Services) -> None:
    identified = PATIENT | {"identifier": [{"system": "urn:mrn", "value": "7"}]}
    write(services, put(identified, "a"), put(identified, "b"))
    with pytest.raises(PreconditionFailed):
        write(services, Entry("PUT", "Patient", resource=identified, query="identifier=urn:mrn|7"))


def test_conditional_references_find_stored_resources_and_those_of_the_same_transaction(services: Services) -> None:
    identified = PATIENT | {"identifier": [{"system": "urn:mrn", "value": "7"}]}
    entries = [
        Entry("POST", "Observation", resource=result("Patient?identifier=urn:mrn|7")),
        Entry("POST", "Patient", resource=identified),
    ]
    stored, subject = write(services, *entries)
    assert f'"reference":"Patient/{subject.id}"' in (stored.content or "")
    [second] = write(services, entries[0])
    assert f'"reference":"Patient/{subject.id}"' in (second.content or "")


def test_without_referential_integrity_a_target_may_come_later(services: Services) -> None:
    relaxed = Services(services.settings.model_copy(update={"referential_integrity": False}))
    [early] = write(relaxed, put(result("Patient/late"), "o"))
    with pytest.raises(NotFound):
        look(relaxed, lambda unit: repository.read(unit, "Patient", "late"))
    [late] = write(relaxed, put(PATIENT, "late"))
    with relaxed.database.read() as connection:
        assert (
            connection.execute(select(observation.c.patient_pk).where(observation.c.pk == early.pk)).scalar() == late.pk
        )
    assert late.version == 1
    relaxed.close()


def test_scopes_guard_every_write(services: Services) -> None:
    write(services, put(PATIENT, "p"), put(PATIENT, "q"))
    reader = Caller("u", "c", parse_scopes("user/*.rs"), "r")
    with pytest.raises(Forbidden):
        write(services, put(PATIENT, "p"), caller=reader)
    own = Caller("u", "c", parse_scopes("patient/Observation.cu patient/Patient.r"), "r", patient="p")
    write(services, Entry("POST", "Observation", resource=result("Patient/p")), caller=own)
    with pytest.raises(Forbidden):
        write(services, Entry("POST", "Observation", resource=result("Patient/q")), caller=own)
    assert count(services, observation) == 1


def test_history_counts_and_pages_without_repeating(services: Services) -> None:
    for gender in ("female", "male", "other", "unknown"):
        write(services, put(PATIENT | {"gender": gender}, "p"))
    first = look(services, lambda unit: history(unit, "Patient", None, count=3))
    rest = look(services, lambda unit: history(unit, "Patient", None, count=3, cursor=first.next))
    assert ([v.version for v in first.versions], [v.version for v in rest.versions]) == ([4, 3, 2], [1])
    assert (first.total, rest.next) == (4, None)
    assert count(services, resource_history) == 3
