"""Import: transaction Bundles, each posted once, by several clients. Counts the entries of those answered 200."""

import asyncio
import time
from collections.abc import Sequence

import orjson

from benchmarks.client import Client, Target
from benchmarks.load import Measured

BASE = "/fhir/R4"


async def load(name: str, target: Target, clients: int, bundles: Sequence[bytes]) -> Measured:
    """Post every Bundle and time each."""
    measured = Measured(name, clients, unit="resources")
    waiting = list(reversed(bundles))
    started = time.perf_counter()

    async def post() -> None:
        client = Client(target)
        while waiting:
            body = waiting.pop()
            asked = time.perf_counter()
            answer = await client.ask("POST", BASE, body)
            measured.latencies["bundle"].append(time.perf_counter() - asked)
            if answer.status == 200:
                measured.units += len(orjson.loads(answer.body)["entry"])
            else:
                measured.wrong[f"bundle {answer.status} {_reason(answer.body)}"] += 1
        client.close()

    await asyncio.gather(*(post() for _ in range(clients)))
    measured.seconds = time.perf_counter() - started
    return measured


def _reason(body: bytes) -> str:
    issues = orjson.loads(body).get("issue", [{}])
    return str(issues[0].get("details", {}).get("text", ""))[:200]
