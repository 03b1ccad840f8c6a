"""Every search parameter of R4 finds the documents that have its element, on both databases."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from fhir_lab.builtin import Builtins
from fhir_lab.search.registry import Registry, SearchParameter
from fhir_lab.services import Services
from tests.support.finding import Finder
from tests.support.one_element import HITS, Made, documents

OWN = [
    parameter
    for name in Registry.load().types
    for parameter in Registry.load().of(name).values()
    if parameter.kind in HITS and not parameter.code.startswith("_")
]


# Patient.deceased is no path: it asks whether there is a date or a true. The other two lead to a resource inside of a
# Bundle, which is not stored by itself: `:missing` knows of it, no value does.
OTHERWISE = {("Patient", "deceased"), ("Bundle", "composition"), ("Bundle", "message")}


class Unchecked:
    """A validator that finds nothing wrong: these documents have one element."""

    def check(self, *_: Any, **__: Any) -> list[Any]:
        return []

    claims = profiles = check


@pytest.fixture
def finder(services: Services) -> Iterator[Finder]:
    """What stores documents as they are, whatever they refer to."""
    found = Services(services.settings.model_copy(update={"referential_integrity": False}))
    found.__dict__ |= {"validator": Unchecked(), "write_hooks": {}, "builtin": Builtins([])}
    yield Finder(found)
    found.close()


def made_for(parameter: SearchParameter) -> list[Made]:
    if (parameter.type, parameter.code) == ("Patient", "deceased"):
        return []
    return list(documents(parameter.type, parameter.kind, parameter.expression or ""))


def test_there_is_a_document_for_every_parameter() -> None:
    without = {(each.type, each.code) for each in OWN if not made_for(each)}
    assert without == OTHERWISE


def test_every_parameter_finds_the_documents_that_have_its_element(finder: Finder) -> None:
    """By value, and by `:missing`."""
    made = [(each, found) for each in OWN for found in made_for(each)]
    named = [(each, f"d{n}", found) for n, (each, found) in enumerate(made)]
    for start in range(0, len(named), 500):
        chunk = named[start : start + 500]
        finder.put(*(found.document | {"id": resource_id} for _, resource_id, found in chunk))
    hits: dict[tuple[SearchParameter, str], set[str]] = {}
    for parameter, resource_id, found in named:
        hits.setdefault((parameter, found.hit), set()).add(resource_id)
    wrong = []
    for (parameter, text), ids in hits.items():
        query = urlencode({parameter.code: text, f"{parameter.code}:missing": "false"})
        if not ids <= finder.found(parameter.type, query):
            wrong.append((parameter.type, query))
    assert wrong == []
