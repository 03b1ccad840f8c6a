"""The table of a run: rates, percentiles, rates per core, and how they compare with the budget of the design."""

import os
from collections.abc import Iterable

from benchmarks.load import Measured

CORES = os.cpu_count() or 1
# Units per second and core (of the whole machine: generator, API and PostgreSQL share it), from the design's budget.
BUDGET_PER_CORE = {"CRUD mix": 650.0, "search mix": 430.0, "import": 1500.0}
BUDGET = {"ORU, 20 OBX, in process": 100.0}
BUDGET_OF_LIMIT = 0.65
HEAD = ("workload", "clients", "rate", "per core", "p50 ms", "p95 ms", "p99 ms", "API ms", "wrong", "budget")


def row(measured: Measured, limit: Measured | None = None) -> tuple[str, ...]:
    """One workload as text cells. `API ms` is the processor time of the API processes per request."""
    api = (
        f"{measured.api_seconds / measured.requests * 1000:.2f}" if measured.api_seconds and measured.requests else "-"
    )
    return (
        measured.name,
        str(measured.clients),
        f"{measured.rate:,.0f} {measured.unit}/s",
        f"{measured.rate / CORES:,.0f}",
        *(f"{measured.percentile(share):.1f}" for share in (0.50, 0.95, 0.99)),
        api,
        str(measured.wrong.total()),
        _verdict(measured, limit),
    )


def _verdict(measured: Measured, limit: Measured | None) -> str:
    if limit is not None and measured.name == "read by id":
        share = measured.rate / limit.rate
        return f"{share:.0%} of the bare loop; {_met(share, BUDGET_OF_LIMIT)} {BUDGET_OF_LIMIT:.0%}"
    for name, budget in BUDGET_PER_CORE.items():
        if measured.name.startswith(name):
            return f"{_met(measured.rate / CORES, budget)} {budget:,.0f} per core"
    if measured.name in BUDGET:
        return f"{_met(measured.rate, BUDGET[measured.name])} {BUDGET[measured.name]:,.0f}"
    return measured.note


def _met(found: float, budget: float) -> str:
    return "meets" if found >= budget else f"{found / budget:.0%} of"


def markdown(rows: Iterable[tuple[str, ...]]) -> str:
    """The rows as a Markdown table."""
    lines = [HEAD, tuple("---" for _ in HEAD), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def kinds(measured: Measured) -> list[str]:
    """One line for each kind of request of a mix."""
    if len(measured.latencies) < 2:
        return []
    return [
        f"    {kind:<24}{len(times):>7}   p50 {measured.percentile(0.5, kind):8.1f} ms"
        f"   p95 {measured.percentile(0.95, kind):8.1f} ms"
        for kind, times in measured.latencies.items()
    ]
