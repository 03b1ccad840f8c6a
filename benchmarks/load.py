"""Closed-loop load: some users, each sending its next request when the last is answered, and what that measured."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from benchmarks.client import Answer, Client, Target

WARM_UP_SECONDS = 1.0


@dataclass(slots=True)
class Measured:
    """What one workload did: seconds that counted, latencies in seconds by kind of request, wrong answers by reason."""

    name: str
    clients: int
    seconds: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: Counter[str] = field(default_factory=Counter)
    units: float = 0.0  # what the rate counts, where that is not requests
    unit: str = "requests"
    api_seconds: float = 0.0  # processor time of the API processes
    note: str = ""

    @property
    def requests(self) -> int:
        """How many requests were answered while it counted."""
        return sum(map(len, self.latencies.values()))

    @property
    def rate(self) -> float:
        """Units per second."""
        return (self.units or self.requests) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float, kind: str | None = None) -> float:
        """The latency, in milliseconds, that this share of the requests stayed below."""
        found = self.latencies[kind] if kind else [each for times in self.latencies.values() for each in times]
        if not found:
            return 0.0
        return sorted(found)[min(len(found) - 1, int(len(found) * share))] * 1000


class User:
    """One simulated user of a workload: a connection, randomness of its own, and a stopwatch."""

    def __init__(self, client: Client, seed: int, measured: Measured, counts_from: float) -> None:
        self.random = random.Random(seed)
        self._client = client
        self._measured = measured
        self._counts_from = counts_from

    async def ask(
        self,
        kind: str,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        right: Callable[[Answer], bool] | None = None,
        units: float = 0,
    ) -> Answer:
        """Ask and time it as `kind`; an answer that is not `right` (by default: status 2xx) is counted as wrong."""
        started = time.perf_counter()
        answer = await self._client.ask(method, path, body)
        ended = time.perf_counter()
        if started >= self._counts_from:
            self._measured.latencies[kind].append(ended - started)
            self._measured.seconds = max(self._measured.seconds, ended - self._counts_from)
            if right(answer) if right else 200 <= answer.status < 300:
                self._measured.units += units
            else:
                self._measured.wrong[f"{kind} {answer.status}"] += 1
        return answer


Scenario = Callable[[User], Awaitable[None]]


async def run(name: str, target: Target, scenario: Scenario, clients: int, seconds: float) -> Measured:
    """Let `clients` users repeat a scenario for `seconds` after a warm-up."""
    measured = Measured(name, clients)
    counts_from = time.perf_counter() + WARM_UP_SECONDS
    deadline = counts_from + seconds

    async def live(number: int) -> None:
        client = Client(target)
        user = User(client, number, measured, counts_from)
        try:
            while time.perf_counter() < deadline:
                await scenario(user)
        except OSError as error:
            measured.wrong[type(error).__name__] += 1
        finally:
            client.close()

    await asyncio.gather(*(live(number) for number in range(clients)))
    return measured
