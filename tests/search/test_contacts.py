"""Phone numbers and e-mail addresses are found however they are written; on both databases.

https://hl7.org/fhir/R4/search.html#token leaves it to the server how a ContactPoint is compared.
"""

import pytest

from fhir_lab.services import Services
from tests.support.finding import Finder, patient

PEOPLE = [
    patient("ann", telecom=[{"system": "email", "value": "Ann.Meyer@Example.org"}]),
    patient(
        "bob", telecom=[{"system": "phone", "value": "+49 (30) 123-45 67"}, {"system": "email", "value": "b@x.org"}]
    ),
    patient("cem", telecom=[{"system": "phone", "value": "1234567"}, {"system": "url", "value": "https://x.org/Cem"}]),
    patient("dee", telecom=[{"system": "phone", "value": "0800-LABTEST"}]),
]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("email=ann.meyer@example.org", {"ann"}),
        ("email=ANN.MEYER@EXAMPLE.ORG", {"ann"}),
        ("phone=%2B49301234567", {"bob"}),
        ("phone=+49 30 1234567", {"bob"}),
        ("phone=49-30/123.4567", {"bob"}),
        ("phone=1234567", {"cem"}),
        ("phone=30", set()),
        ("phone=0800-labtest", {"dee"}),
        ("telecom=https://x.org/cem", {"cem"}),
        ("telecom=B@X.ORG,1234567", {"bob", "cem"}),
        ("telecom=|b@x.org", {"bob"}),
        ("telecom:not=b@x.org", {"ann", "cem", "dee"}),
        ("email=1234567", set()),
        ("email:missing=true", {"cem", "dee"}),
    ],
)
def test_contacts_are_found_however_they_are_written(services: Services, query: str, expected: set[str]) -> None:
    finder = Finder(services)
    finder.put(*PEOPLE)
    assert finder.found("Patient", query) == expected
    assert {body["id"] for body in PEOPLE if finder.in_memory(body, query)} == expected
