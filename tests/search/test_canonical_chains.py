"""Chains and `_has` along canonical references, which name a resource by its URL and perhaps a version."""

import pytest

from fhir_lab.services import Services
from tests.support.finding import Finder, caller

FORM = {"resourceType": "Questionnaire", "status": "active", "title": "Intake", "url": "http://lab/q/intake"}
ANSWERS = {"resourceType": "QuestionnaireResponse", "status": "completed"}


@pytest.fixture
def finder(services: Services) -> Finder:
    found = Finder(services)
    found.put(
        FORM | {"id": "intake"},
        FORM | {"id": "other", "title": "Discharge", "url": "http://lab/q/other"},
        FORM | {"id": "nameless", "url": "http://lab/q/nameless"},
        ANSWERS | {"id": "a", "questionnaire": "http://lab/q/intake"},
        ANSWERS | {"id": "b", "questionnaire": "http://lab/q/intake|2", "status": "amended"},
        ANSWERS | {"id": "c", "questionnaire": "http://lab/q/other"},
        ANSWERS | {"id": "d", "questionnaire": "http://elsewhere/q"},
        ANSWERS | {"id": "e"},
        {"resourceType": "Patient", "id": "p"},
        {"resourceType": "PlanDefinition", "id": "plan", "status": "active", "title": "X", "url": "http://lab/plan"},
        {
            "resourceType": "ServiceRequest",
            "id": "order",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/p"},
            "instantiatesCanonical": ["http://elsewhere/plan", "http://lab/plan|1.0"],
        },
    )
    return found


@pytest.mark.parametrize(
    ("resource_type", "query", "expected"),
    [
        ("QuestionnaireResponse", "questionnaire.title=intake", {"a", "b"}),
        ("QuestionnaireResponse", "questionnaire:Questionnaire.title=intake&status=amended", {"b"}),
        ("QuestionnaireResponse", "questionnaire.title=nothing", set()),
        ("QuestionnaireResponse", "questionnaire.status=active", {"a", "b", "c"}),
        ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:status=completed", {"intake", "other"}),
        ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:status=amended", {"intake"}),
        ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:questionnaire.title=intake", {"intake"}),
        ("PlanDefinition", "_has:ServiceRequest:instantiates-canonical:status=active", {"plan"}),
        ("ServiceRequest", "instantiates-canonical:PlanDefinition.title=x", {"order"}),
        ("ServiceRequest", "instantiates-canonical.title=x", {"order"}),
        ("Questionnaire", "title=intake&_has:QuestionnaireResponse:questionnaire:_id=a,c", {"intake"}),
    ],
)
def test_a_canonical_leads_to_what_has_its_url(
    finder: Finder, resource_type: str, query: str, expected: set[str]
) -> None:
    assert finder.found(resource_type, query) == expected


def test_a_chain_ends_at_what_the_caller_may_read(finder: Finder) -> None:
    narrow = caller("user/QuestionnaireResponse.rs user/Questionnaire.rs?title=Discharge")
    assert finder.found("QuestionnaireResponse", "questionnaire.status=active", narrow) == {"c"}
    blind = caller("user/Questionnaire.rs")
    assert finder.found("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id=a", blind) == set()
