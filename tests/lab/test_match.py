"""How alike two patients are. https://hl7.org/fhir/R4/patient.html#match"""

import pytest

from fhir_lab.documents import Resource
from fhir_lab.lab.match import likeness

MRN = {"system": "http://hospital.example/mrn", "value": "123"}


def person(family: str = "", given: str = "", born: str = "", **more: object) -> Resource:
    name = {"family": family, "given": [given]} if given else {"family": family}
    return {
        "resourceType": "Patient",
        **({"name": [name]} if family else {}),
        **({"birthDate": born} if born else {}),
        **more,
    }


ANNA = person("Müller", "Anna Maria", "1970-03-05", gender="female")


@pytest.mark.parametrize(
    ("asked", "grade"),
    [
        (person("Müller", "Anna Maria", "1970-03-05"), "certain"),
        (person("MULLER", "anna maria", "1970-03-05", gender="female"), "certain"),
        (person("Müller", "A", "1970-03-05"), "certain"),
        (person("Mueller", "Anna", "1970-03-05"), "probable"),
        (person("Müller", "Anna Maria", "1970-05-03"), "probable"),
        (person("Müller", "Anna Maria", "1970-03-06"), "probable"),
        (person("Müller", "Anna Maria", "1970"), "probable"),
        (person("Müller", "Anna Maria"), "probable"),
        (person("Müller"), "probable"),
        (person("Müller", "Anna Maria", "1954-11-30"), "possible"),
        (person("Schmidt", "Anna Maria", "1970-03-05"), "possible"),
        (person("Schmidt", "Peter", "1954-11-30"), "certainly-not"),
        (person(), "certainly-not"),
    ],
)
def test_names_and_birth_date_make_a_grade(asked: Resource, grade: str) -> None:
    assert likeness(asked, ANNA).grade == grade


def test_a_shared_identifier_is_certain_unless_name_and_birth_date_contradict_it() -> None:
    stored = ANNA | {"identifier": [MRN]}
    assert likeness(person("Schmidt", born="1970-03-05", identifier=[MRN]), stored).score == 1.0
    stranger = likeness(person("Schmidt", born="1954-11-30", identifier=[MRN]), stored)
    assert (stranger.grade, stranger.score < 0.8) == ("possible", True)
    assert likeness(person(identifier=[MRN | {"system": "http://other.example"}]), stored).grade == "certainly-not"


def test_the_same_person_scores_one_and_more_that_contradicts_scores_less() -> None:
    assert likeness(ANNA, ANNA).score == 1.0
    scores = [
        likeness(asked, ANNA).score
        for asked in (ANNA, ANNA | {"gender": "male"}, ANNA | {"birthDate": "1970-03-06"}, person("Schmidt", "Anna"))
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_phone_numbers_are_the_same_with_and_without_the_country() -> None:
    with_phone = person("Okoye", telecom=[{"system": "phone", "value": "+49 30 1234 5678"}])
    asked = person("Okoye", telecom=[{"system": "phone", "value": "030 12345678"}])
    other = person("Okoye", telecom=[{"system": "phone", "value": "030 12345679"}])
    assert likeness(asked, with_phone).score > likeness(other, with_phone).score
