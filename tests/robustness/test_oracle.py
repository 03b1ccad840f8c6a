"""Random searches find exactly what a naive reading of the documents finds, on both databases.

The documents are made up, awkward ones; where the Synthea corpus lies beside the repository, part of it is read too.
"""

import bz2
import json
from decimal import Decimal
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from fhir_lab.builtin import Builtins
from fhir_lab.clock import EPOCH
from fhir_lab.documents import parse
from fhir_lab.search.run import SearchPage
from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage.tables import resource
from fhir_lab.storage.transaction import apply, entries_of
from fhir_lab.storage.unit import Unit
from tests.support.finding import Finder
from tests.support.oracle import Oracle
from tests.support.oracle_order import in_order, included
from tests.support.oracle_paths import parameters
from tests.support.random_documents import laboratory
from tests.support.random_searches import KINDS, Maker, Pair

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "synthea"
SMALLEST = 2  # patients of the corpus that are loaded
CASES = ["made up 1", "made up 2", *(["Synthea"] if CORPUS.exists() else [])]
SIMPLE = ("token", "date", "reference", "missing", "string")


class Bench:
    """A loaded installation, its oracle, and the dice."""

    def __init__(self, services: Services, case: str) -> None:
        services.clock.set(EPOCH.replace(year=2026))
        services.__dict__["builtin"] = Builtins([])  # the oracle reads what is stored
        self.finder = Finder(services)
        if case == "Synthea":
            self._load(services)
        else:
            self.finder.put(*laboratory(int(case[-1]), services.settings.fhir_base))
        with services.database.read() as connection:
            stored = connection.execute(select(resource.c.content)).scalars()
            documents = [json.loads(text, parse_float=Decimal) for text in stored]
        self.oracle = Oracle(documents, services.settings.fhir_base, services.clock.now())
        self.random = Random(case)
        self.maker = Maker(self.oracle, self.random)

    def _load(self, services: Services) -> None:
        registry, *patients = sorted(CORPUS.glob("*.json.bz2"))
        for path in (registry, *sorted(patients, key=lambda path: path.stat().st_size)[:SMALLEST]):
            entries = entries_of(parse(bz2.decompress(path.read_bytes())))
            with services.database.write() as connection:
                apply(Unit(connection, system("test"), services), entries)

    def criteria(self, resource_type: str, share: float) -> list[Pair]:
        """One more parameter, or none."""
        pair = self.maker.pair(resource_type, self.random.choice(SIMPLE)) if self.random.random() < share else None
        return [pair] if pair else []


@pytest.fixture(params=CASES)
def bench(services: Services, request: pytest.FixtureRequest) -> Bench:
    return Bench(services, request.param)


def test_searches_find_what_a_naive_reader_finds(bench: Bench) -> None:
    kinds = [kind for kind in KINDS if kind != "number" or bench.oracle.of.get("RiskAssessment")]
    wrong = []
    for turn in range(25 * len(kinds)):
        resource_type, pair = bench.maker.one(kinds[turn % len(kinds)])
        query = [pair, *bench.criteria(resource_type, 0.25)]
        if bench.finder.found(resource_type, urlencode(query)) != bench.oracle.search(resource_type, query):
            wrong.append((resource_type, query))
    assert wrong == []


def test_pages_forward_and_back_give_every_match_once_in_order(bench: Bench) -> None:
    wrong = []
    for _ in range(30):
        resource_type = bench.random.choice(bench.maker.types())
        query = bench.criteria(resource_type, 0.6)
        expected = bench.oracle.search(resource_type, query)
        if len(expected) > 60:
            continue
        codes = bench.random.sample(list(parameters(resource_type)), bench.random.randint(1, 3))
        keys = [(code, bench.random.random() < 0.5) for code in codes]
        sort = ",".join(f"-{code}" if descending else code for code, descending in keys)
        text = urlencode([*query, ("_sort", sort), ("_count", str(bench.random.choice((1, 2, 3, 7))))])
        forward, back = walk(bench.finder, resource_type, text, len(expected))
        ids = [each for page in forward for each in page]
        if sorted(ids) != sorted(expected) or back != forward or not in_order(bench.oracle, resource_type, ids, keys):
            wrong.append((resource_type, text))
    assert wrong == []


def walk(finder: Finder, resource_type: str, query: str, total: int) -> tuple[list[list[str]], list[list[str]]]:
    """The ids of every page, walking forward, and the same walking back; every page must tell this total."""
    page = finder.page(resource_type, query)
    pages = [page]
    while page.next_query is not None:
        page = finder.page(resource_type, page.next_query)
        pages.append(page)
    back = [page]
    while page.previous_query is not None:
        page = finder.page(resource_type, page.previous_query)
        back.append(page)
    assert {each.total for each in (*pages, *back)} == {total}
    return ids_of(pages), ids_of(back[::-1])


def ids_of(pages: list[SearchPage]) -> list[list[str]]:
    return [[version.id for version in page.matches] for page in pages]


def test_includes_bring_what_a_naive_reader_brings(bench: Bench) -> None:
    wrong = []
    for _ in range(40):
        resource_type = bench.random.choice(bench.maker.types())
        query = bench.criteria(resource_type, 0.8)
        includes = [pair for _ in range(3) if (pair := an_include(bench, resource_type))]
        matches = bench.oracle.search(resource_type, query)
        expected = included(bench.oracle, {(resource_type, each) for each in matches}, includes)
        page = bench.finder.page(resource_type, urlencode([*query, *includes, ("_count", "1000")]))
        found = [(version.type, version.id) for version in page.included]
        if len(matches) <= 1000 and (set(found) != expected or len(found) != len(expected)):
            wrong.append((resource_type, query, includes))
    assert wrong == []


def an_include(bench: Bench, resource_type: str) -> Pair | None:
    """An `_include` of the type, an iterated one or a `_revinclude` of any."""
    name = bench.random.choice(("_include", "_include:iterate", "_revinclude", "_revinclude:iterate"))
    source = resource_type if name == "_include" else bench.random.choice(bench.maker.types())
    codes = [code for code, (kind, _) in parameters(source).items() if kind == "reference"]
    if not codes:
        return None
    target = bench.random.choice(("", ":Patient", ":Organization")) if name.startswith("_include") else ""
    return name, f"{source}:{bench.random.choice(codes)}{target}"
