"""ORU messages for tests, made from a few words, and the steps of a worker without a worker."""

from functools import partial
from typing import Any

from sqlalchemy import func, select

from fhir_lab.ingest import flow
from fhir_lab.ingest.intake import accept
from fhir_lab.services import Services
from fhir_lab.storage import journal
from fhir_lab.storage.tables import change, resource


def oru(
    *values: str,
    control: str = "1",
    patient: str = "P1",
    order: str = "L1",
    status: str = "F",
    sent: str = "20261118120000+0100",
    sender: str = "LAB",
    analysed: str = "",
) -> bytes:
    """An ORU^R01 with one order and one NM result for each value; `status` is that of report and results."""
    segments = [
        f"MSH|^~\\&|LIS|{sender}|EHR|WARD|{sent}||ORU^R01^ORU_R01|{control}|P|2.5.1",
        f"PID|1||{patient}^^^{sender}^MR||Doe^Jane||19800101|F",
        f"OBR|1||{order}^{sender}|58410-2^CBC^LN|||20261118100000+0100|||||||||||||||{sent}||HM|{status}",
    ]
    segments += [
        f"OBX|{number}|NM|{6689 + number}-2^Test {number}^LN||{value}|g/dL^^UCUM|1-9|N|||{status}|||"
        f"20261118100000+0100|||||{analysed}"
        for number, value in enumerate(values, start=1)
    ]
    return ("\r".join(segments) + "\r").encode()


def journaled(services: Services, *files: bytes, name: str = "test.hl7") -> list[str]:
    """The ids of the messages of these files, journaled."""
    ids = []
    for data in files:
        taken = services.database.transact(partial(accept, services=services, file=name, data=data))
        ids += taken.ids
    return ids


def processed(services: Services, *files: bytes) -> list[dict[str, Any]]:
    """The journal entries of these files after each message was processed once."""
    found = []
    for data in files:
        for message_id in journaled(services, data):
            flow.process(services, message_id)
            found.append(entry(services, message_id))
    return found


def entry(services: Services, message_id: str) -> dict[str, Any]:
    """A journal entry."""
    with services.database.read() as connection:
        return journal.entry(connection, message_id)


def entries(services: Services) -> list[dict[str, Any]]:
    """Every journal entry, oldest first."""
    with services.database.read() as connection:
        return journal.entries(connection, limit=100_000)[::-1]


def counts(services: Services) -> dict[str, int]:
    """How many current resources there are of each type."""
    alive = select(resource.c.type, func.count()).where(resource.c.deleted.is_(False), resource.c.version > 0)
    with services.database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(alive.group_by(resource.c.type))}


def changes(services: Services) -> int:
    """How many writes the change feed tells of."""
    with services.database.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(change)) or 0)
