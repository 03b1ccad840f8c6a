"""ORU messages of 1, 20 and 200 OBX: processed in this process, and dropped as files into a live inbox."""

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.client import Client, Target
from benchmarks.data import ANALYTES
from benchmarks.load import Measured
from benchmarks.searches import BASE
from benchmarks.servers import Installation

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fhir_lab.ingest.intake import Accepted
    from fhir_lab.services import Services

LONGEST_WAIT_SECONDS = 20.0
WARM_UP_MESSAGES = 3
AUTHORITY = "LINDENHOF&2.999.4.1&ISO"
_numbers = count(1)


def message(observations: int) -> tuple[str, bytes]:
    """An ORU^R01 for a new order of one of a thousand patients: its filler order number, and the message."""
    number = next(_numbers)
    order = f"BENCH-{number:07}"
    when = "20261118093000+0100"
    person = f"MRN-{number % 1000:04}^^^{AUTHORITY}^MR"
    segments = [
        f"MSH|^~\\&|BENCH|LINDENHOF|EHR|MILLSTREET|{when}||ORU^R01^ORU_R01|{order}|P|2.5.1|||AL|NE||UNICODE UTF-8",
        f"PID|1||{person}||Okoye^Amara^Ngozi^^^^L||19840312|F|||12 Quay Lane^^Rivermouth^^40110^XA^H",
        f"ORC|RE|P-{order}|{order}||CM||||{when}",
        f"OBR|1|P-{order}|{order}|51990-0^Basic metabolic panel - Blood^LN|||{when}|||||||||||||||{when}||CH|F",
    ]
    for index in range(observations):
        code, display, unit, low, high, decimals = ANALYTES[index % len(ANALYTES)]
        value = f"{(low + high) / 2:.{decimals}f}"
        # A panel of 200 needs more codes than there are analytes: the sub-id keeps repeated ones apart.
        repeat = index // len(ANALYTES) + 1
        segments.append(
            f"OBX|{index + 1}|NM|{code}^{display}^LN|{repeat}|{value}|{unit}^^UCUM|{low}-{high}|N|||F|||{when}"
        )
    return order, ("\r".join(segments) + "\r").encode()


def _accept(services: "Services", raw: bytes, connection: "Connection") -> "Accepted":
    from fhir_lab.ingest import intake

    return intake.accept(connection, services, "bench.hl7", raw)


def in_process(installation: Installation, observations: int, seconds: float) -> Measured:
    """Journal and process one message after the other in this process, which is one worker without Celery."""
    from fhir_lab.ingest.flow import process
    from fhir_lab.services import Services
    from fhir_lab.settings import Settings

    services = Services(
        Settings(_env_file=None, database_url=installation.database, var=installation.folder / "var", log_level="ERROR")
    )
    measured = Measured(f"ORU, {observations} OBX, in process", 1, unit="messages")

    def handle(raw: bytes) -> list[str | None]:
        accepted = services.database.transact(partial(_accept, services, raw))
        return [process(services, each) for each in accepted.ids]

    for _ in range(WARM_UP_MESSAGES):
        handle(message(observations)[1])
    started = time.perf_counter()
    while time.perf_counter() < started + seconds:
        _, raw = message(observations)
        asked = time.perf_counter()
        states = handle(raw)
        measured.latencies["message"].append(time.perf_counter() - asked)
        measured.units += states.count("processed")
        if states != ["processed"]:
            measured.wrong[str(states)] += 1
    measured.seconds = time.perf_counter() - started
    services.close()
    rate = measured.rate * (observations + 4)
    measured.note = f"about {rate:,.0f} resources/s"
    return measured


async def through_inbox(inbox: Path, target: Target, observations: int, files: int) -> Measured:
    """Drop files into the inbox, four at a time, and wait for each one's DiagnosticReport to be readable."""
    measured = Measured(f"ORU, {observations} OBX, inbox to report", 4, unit="messages")
    waiting = iter(range(files))
    started = time.perf_counter()
    await asyncio.gather(*(_drop_and_wait(inbox, Client(target), observations, waiting, measured) for _ in range(4)))
    measured.seconds = time.perf_counter() - started
    return measured


async def _drop_and_wait(
    inbox: Path, client: Client, observations: int, waiting: Iterator[int], measured: Measured
) -> None:
    for _ in waiting:
        order, raw = message(observations)
        dropped = time.perf_counter()
        unfinished = inbox.parent / f"{order}.part"
        unfinished.write_bytes(raw)
        unfinished.rename(inbox / f"{order}.hl7")
        while time.perf_counter() < dropped + LONGEST_WAIT_SECONDS:
            answer = await client.ask("GET", f"{BASE}DiagnosticReport?identifier={order}&_elements=id")
            if b'"match"' in answer.body:
                measured.latencies["drop to readable"].append(time.perf_counter() - dropped)
                measured.units += 1
                break
            await asyncio.sleep(0.02)
        else:
            measured.wrong["no report"] += 1
    client.close()
