"""`_text` and `_content`: the same resources on both databases, and in memory, whatever the words look like."""

import re
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from fhir_lab.outcomes import BadRequest
from fhir_lab.search.words import BREAK, words_of
from fhir_lab.services import Services
from fhir_lab.storage.tables import idx_text
from tests.support.finding import LOINC, Finder, caller, observation, patient
from tests.support.parameters import rebuild

XHTML = '<div xmlns="http://www.w3.org/1999/xhtml">'


def narrative(inside: str) -> dict[str, Any]:
    return {"status": "generated", "div": f"{XHTML}{inside}</div>"}


def note(text: str) -> list[dict[str, Any]]:
    return [{"text": text}]


HAEMOGLOBIN = {"coding": [{"system": LOINC, "code": "718-7", "display": "Hemoglobin [Mass/volume] in Blood"}]}


@pytest.fixture
def finder(services: Services) -> Finder:
    finder = Finder(services)
    finder.put(
        patient(
            "p", name=[{"family": "Müller", "given": ["José"]}], text=narrative("<p>Jos\u0065\u0301 M&#252;ller</p>")
        ),
        patient("q", name=[{"family": "Blood"}]),
    )
    finder.put(
        observation("hb", "p", code=None) | {"code": HAEMOGLOBIN, "note": note("The sample was haemolytic.")},
        observation("glu", "q", note=note("Fasting glucose. Blood was drawn late"), valueString="pale Blood"),
        observation("told", text=narrative("<b>Glu</b>cose<p>high</p><p>today</p><!-- no -->")),
    )
    return finder


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("_content=hemoglobin", {"hb"}),
        ("_content=HEMOGLOBIN blood", {"hb"}),
        ("_content=blood", {"hb", "glu"}),
        ("_content=blood -drawn", {"hb"}),
        ("_content=blood NOT drawn", {"hb"}),
        ("_content=-blood", {"told"}),
        ("_content=-blood -today", set()),
        ("_content=haemolytic OR drawn", {"hb", "glu"}),
        ("_content=haemolytic,drawn", {"hb", "glu"}),
        ("_content=hemoglobin AND haemolytic", {"hb"}),
        ("_content=hemoglobin&_content=drawn", set()),
        ('_content="was drawn"', {"glu"}),
        ('_content="drawn was"', set()),
        ('_content=-"was drawn" blood', {"hb"}),
        ("_content=haem*", {"hb"}),
        ('_content="mass volu*"', set()),
        ("_content=volu*", {"hb"}),
        ("_content=hae", set()),
        ("_content=718-7", {"hb", "glu", "told"}),
        ("_content=7-718", set()),
        ('_content="glucose blood"', {"glu"}),
        ('_content="late pale"', set()),
        ("_content=glucose", {"glu", "told"}),
        ("_content=loinc", set()),
        ("_content=observation", set()),
        ("_content=div", set()),
        ("_text=glucose", {"told"}),
        ("_text=glu", set()),
        ('_text="high today"', {"told"}),
        ("_text=hightoday", set()),
        ("_text=no", set()),
        ("_text=blood", set()),
        ("_text=xmlns", set()),
        ("_content=today&_text=high", {"told"}),
        ("patient=q&_content=blood", {"glu"}),
        ("_content=blood&_sort=-_id&status=final", {"hb", "glu"}),
        ("subject:Patient._content=muller", {"hb"}),
        ("_content='; drop table idx_text", set()),
        ('_content=blood " & | ! <-> ( ) : * ^ NEAR + -', {"hb", "glu"}),
    ],
)
def test_words_find_what_holds_them(finder: Finder, query: str, expected: set[str]) -> None:
    assert finder.found("Observation", query) == expected


@pytest.mark.parametrize("text", ["müller", "MULLER", "Mu\u0308ller", "josé müller", "jose", "mull*", '"jose muller"'])
def test_accents_and_case_do_not_matter(finder: Finder, text: str) -> None:
    assert finder.found("Patient", f"_text={text}") == {"p"}
    assert finder.found("Patient", f"_content={text}") == {"p"}


@pytest.mark.parametrize("query", ["_text=-", "_content=OR", "_content=a OR", "_content=!!!", "_content=" + "a " * 51])
def test_a_search_without_a_word_is_refused(finder: Finder, query: str) -> None:
    with pytest.raises(BadRequest, match="word"):
        finder.found("Patient", query)


@pytest.mark.parametrize("query", ["_text:missing=true", "_content:contains=a", "_sort=_text"])
def test_modifiers_and_sorting_are_refused(finder: Finder, query: str) -> None:
    with pytest.raises(BadRequest):
        finder.found("Patient", query)


def test_words_change_and_go_with_the_resource(finder: Finder) -> None:
    finder.put(patient("q", name=[{"family": "Water"}]))
    assert finder.found("Patient", "_content=blood") == set()
    assert finder.found("Patient", "_content=water") == {"q"}
    finder.delete("Observation", "glu")
    finder.delete("Patient", "q")
    assert finder.found("Patient", "_content=water") == set()
    assert finder.found("Patient", "_content=-nothing") == {"p"}
    with finder.services.database.read() as connection:
        assert len(connection.execute(select(idx_text.c.pk)).all()) == 3


def test_a_rebuild_gives_the_words_back(finder: Finder) -> None:
    with finder.services.database.write() as connection:
        connection.execute(idx_text.delete())
    assert finder.found("Observation", "_content=blood") == set()
    rebuild(finder.services)
    assert finder.found("Observation", "_content=blood") == {"hb", "glu"}
    assert finder.found("Observation", "_text=glucose") == {"told"}


def test_nobody_finds_words_of_what_they_may_not_read(finder: Finder) -> None:
    own = caller("patient/*.rs", patient="p")
    assert finder.found("Observation", "_content=blood", own) == {"hb"}
    assert finder.found("Observation", "_content=-nothing", own) == {"hb"}
    assert finder.found("Observation", "_content=blood", caller("user/Observation.rs?_id=glu")) == {"glu"}


def test_addresses_times_and_data_are_not_text() -> None:
    words = words_of(
        {
            "resourceType": "DocumentReference",
            "id": "secret",
            "meta": {"lastUpdated": "2026-01-02T03:04:05Z", "tag": [{"system": "urn:x", "display": "Teaching"}]},
            "date": "2026-01-02",
            "subject": {"reference": "Patient/one", "display": "Anna"},
            "content": [{"attachment": {"data": "aGVsbG8=", "url": "https://example.org/x", "title": "Läbor 5"}}],
            "extension": [{"url": "http://e", "valueString": None}],
            "_status": {"id": "x"},
        }
    )
    assert words == ([], ["teaching", BREAK, "anna", BREAK, "labor", "5"])


WORDS = [
    "blood",
    "Blut",
    "Ärger",
    "718-7",
    "I'm",
    "a_b",
    "x1",
    "日本語",
    "кровь",
    "हिन्दी",
    "ﬁn",
    "²",
    "naïve",
    "ß",
    "İ",
    "e\u0301",
]


def naive(text: str, phrase: str) -> bool:
    """Whether a text has a phrase, by another way than the server's."""
    from tests.support.oracle import folded

    cut = [part for part in re.split(r"[\W_]+", folded(text)) if part]
    wanted = [part for part in re.split(r"[\W_]+", folded(phrase)) if part]
    return any(cut[n : n + len(wanted)] == wanted for n in range(len(cut)))


def test_random_texts_are_found_alike_everywhere(services: Services) -> None:
    dice = Random(7)
    texts = {f"n{n}": " ".join(dice.choices(WORDS, k=dice.randint(1, 6))) for n in range(60)}
    finder = Finder(services)
    documents = {name: patient(name, text=narrative(f"<p>{text}</p>")) for name, text in texts.items()}
    finder.put(*documents.values())
    for _ in range(80):
        phrases = [" ".join(dice.choices(WORDS, k=dice.choice((1, 1, 2)))) for _ in range(dice.choice((1, 1, 2)))]
        refused = dice.choice(WORDS) if dice.random() < 0.3 else ""
        query = " ".join([*(f'"{phrase}"' for phrase in phrases), *([f"-{refused}"] if refused else [])])
        expected = {
            name
            for name, text in texts.items()
            if all(naive(text, phrase) for phrase in phrases) and not (refused and naive(text, refused))
        }
        assert finder.found("Patient", f"_text={query}") == expected, query
        assert {
            name for name, document in documents.items() if finder.in_memory(document, f"_text={query}")
        } == expected


def test_missing_is_no_modifier_of_words(finder: Finder) -> None:
    with pytest.raises(BadRequest, match=r"The modifier ':missing' is not supported on '_text' \(fulltext\)\.$"):
        finder.found("Observation", "_text:missing=true")
