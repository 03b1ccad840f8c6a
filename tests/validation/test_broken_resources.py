"""Broken resources, and exactly the errors each is answered with."""

from typing import Any

import pytest

from fhir_lab.documents import parse
from fhir_lab.validation import Validator

Expected = list[tuple[str, str, str]]


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def observation(more: str = "") -> str:
    return f'{{"resourceType":"Observation","status":"final","code":{{"text":"Glucose"}}{more}}}'


def patient(more: str) -> str:
    return f'{{"resourceType":"Patient",{more}}}'


CASES: dict[str, tuple[str, Expected]] = {
    "a code outside a required binding": (
        '{"resourceType":"Observation","status":"banana","code":{"text":"x"}}',
        [
            (
                "code-invalid",
                "Observation.status",
                "'banana' is not one of registered, preliminary, final, amended, corrected, cancelled, "
                "entered-in-error, unknown.",
            )
        ],
    ),
    "a misspelt code": (
        '{"resourceType":"Observation","status":"finl","code":{"text":"x"}}',
        [("code-invalid", "Observation.status", "Did you mean 'final'?")],
    ),
    "an unknown element": (
        observation(',"statsu":"final"'),
        [("structure", "Observation.statsu", "there is no such element in Observation. Did you mean 'status'?")],
    ),
    "an unknown element of a backbone": (
        observation(',"component":[{"code":{"text":"x"},"valueQuantty":{}}]'),
        [("structure", "Observation.component[0].valueQuantty", "in this component. Did you mean 'valueQuantity'?")],
    ),
    "a missing element": (
        '{"resourceType":"Observation","status":"final"}',
        [("required", "Observation.code", "Observation.code: missing; exactly one is required.")],
    ),
    "a missing choice": (
        '{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}}',
        [
            (
                "required",
                "MedicationRequest.medication",
                "one of medicationCodeableConcept, medicationReference is required",
            )
        ],
    ),
    "two values": (
        observation(',"valueString":"a","valueBoolean":true'),
        [("structure", "Observation.value", "valueBoolean, valueString exclude each other")],
    ),
    "a single value where many are allowed": (
        observation(',"category":{"text":"x"}'),
        [("structure", "Observation.category", "an object where an array is required")],
    ),
    "many values where one is allowed": (
        observation(',"subject":[{"reference":"Patient/1"}]'),
        [("structure", "Observation.subject", "an array is not allowed; this element occurs at most once.")],
    ),
    "a decimal as a string": (
        observation(',"valueQuantity":{"value":"6.30"}'),
        [
            (
                "structure",
                "Observation.valueQuantity.value",
                "'6.30' is not a decimal; a number without quotes is allowed.",
            )
        ],
    ),
    "a decimal that no double holds": (
        observation(',"valueQuantity":{"value":1e400}'),
        [("value", "Observation.valueQuantity.value", "1e400 is out of range")],
    ),
    "a comparator outside its binding": (
        observation(
            ',"component":[{"code":{"text":"x"}},{"code":{"text":"y"},"valueQuantity":{"value":1,"comparator":"~"}}]'
        ),
        [("code-invalid", "Observation.component[1].valueQuantity.comparator", "'~' is not one of <, <=, >=, >.")],
    ),
    "a fraction as an integer": (
        observation(',"valueInteger":1.0'),
        [("value", "Observation.valueInteger", "1.0 is not an integer")],
    ),
    "an integer beyond 32 bits": (
        observation(',"valueInteger":2147483648'),
        [("value", "Observation.valueInteger", "a whole number from -2147483648 to 2147483647 is allowed")],
    ),
    "a boolean as a string": (
        patient('"active":"true"'),
        [("structure", "Patient.active", "'true' is not a boolean; true or false is allowed, without quotes.")],
    ),
    "a zero where counting starts at one": (
        patient('"telecom":[{"system":"phone","value":"1","rank":0}]'),
        [("value", "Patient.telecom[0].rank", "0 is not a positiveInt")],
    ),
    "a dateTime without zone": (
        observation(',"effectiveDateTime":"2026-11-20T08:30:00"'),
        [("value", "Observation.effectiveDateTime", "a time needs seconds and a zone")],
    ),
    "a day that no calendar has": (
        patient('"birthDate":"2023-02-29"'),
        [("value", "Patient.birthDate", "'2023-02-29' is not a day of the calendar.")],
    ),
    "an instant without time": (
        observation(',"issued":"2026-11-20"'),
        [("value", "Observation.issued", "'2026-11-20' is not an instant")],
    ),
    "an hour of 24": (
        observation(',"valueTime":"24:00:00"'),
        [("value", "Observation.valueTime", "'24:00:00' is not a time; hh:mm:ss is allowed.")],
    ),
    "an id of 65 characters": (
        patient(f'"id":"{"a" * 65}"'),
        [("value", "Patient.id", "1 to 64 letters, digits, '-' and '.' are allowed")],
    ),
    "a code with blanks at its end": (
        patient('"language":"en "'),
        [("value", "Patient.language", "'en ' is not a code")],
    ),
    "a URI with white space": (
        patient('"meta":{"profile":["http://example.org/a b"]}'),
        [("value", "Patient.meta.profile[0]", "'http://example.org/a b' is not a URI; white space is not allowed.")],
    ),
    "base64 that is cut off": (
        patient('"photo":[{"contentType":"image/png","data":"aGVsbG"}]'),
        [("value", "Patient.photo[0].data", "the base64 text is cut off")],
    ),
    "a control character": (
        patient('"name":[{"family":"a\\u0001b"}]'),
        [("value", "Patient.name[0].family", "the character '\\x01' is not allowed in a string.")],
    ),
    "empty values": (
        patient('"name":[],"gender":"","contact":[{}],"maritalStatus":{}'),
        [
            ("structure", "Patient.name", "an empty array is not allowed"),
            ("value", "Patient.gender", "an empty string is not allowed"),
            ("structure", "Patient.contact[0]", "an empty object is not allowed"),
            ("structure", "Patient.maritalStatus", "an empty object is not allowed"),
        ],
    ),
    "an element with nothing but an id": (
        patient('"maritalStatus":{"id":"x"},"_gender":{"id":"x"}'),
        [("invariant", "Patient.maritalStatus", "(ele-1)"), ("invariant", "Patient._gender", "(ele-1)")],
    ),
    "nulls": (
        patient('"active":null,"identifier":[null],"name":[{"given":["A",null]}]'),
        [
            ("structure", "Patient.active", "null is not allowed"),
            ("structure", "Patient.identifier[0]", "null is not allowed here."),
            ("structure", "Patient.name[0].given[1]", "null is allowed only where _given has an extension."),
        ],
    ),
    "extensions of repeated primitives that are not aligned": (
        patient('"name":[{"given":["A","B"],"_given":[{"extension":[{"url":"http://example.org","valueCode":"x"}]}]}]'),
        [("structure", "Patient.name[0]._given", "1 entries where given has 2; null fills the gaps.")],
    ),
    "a reference to a type that is not allowed": (
        observation(',"subject":{"reference":"Organization/1"}'),
        [
            (
                "value",
                "Observation.subject",
                "'Organization/1' refers to Organization; allowed: Device, Group, Location, Patient.",
            )
        ],
    ),
    "a subject that only R4B allows": (
        '{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"},"subject":{"reference":"Medication/1"}}',
        [("value", "DiagnosticReport.subject", "'Medication/1' refers to Medication")],
    ),
    "an absolute reference to a type that is not allowed": (
        observation(',"specimen":{"reference":"https://example.org/fhir/Patient/1"}'),
        [("value", "Observation.specimen", "refers to Patient; allowed: Specimen.")],
    ),
    "a conditional reference to a type that is not allowed": (
        observation(',"specimen":{"reference":"Patient?identifier=a|b"}'),
        [("value", "Observation.specimen", "refers to Patient; allowed: Specimen.")],
    ),
    "a logical reference to a type that is not allowed": (
        observation(',"specimen":{"type":"Patient","identifier":{"value":"1"}}'),
        [("value", "Observation.specimen", "'Patient' refers to Patient; allowed: Specimen.")],
    ),
    "a reference whose type says something else": (
        observation(',"subject":{"reference":"Patient/1","type":"Group"}'),
        [("value", "Observation.subject.type", "'Group' where the reference names Patient; both say the same.")],
    ),
    "a comparator where a simple quantity stands": (
        observation(
            ',"referenceRange":[{"low":{"value":1,"comparator":"<"}}],"valueRange":{"high":{"value":1,"comparator":">"}}'
        ),
        [
            ("invariant", "Observation.referenceRange[0].low", "a simple quantity has no comparator (sqty-1)."),
            ("invariant", "Observation.valueRange.high", "a simple quantity has no comparator (sqty-1)."),
        ],
    ),
    "a reference to no type": (
        observation(',"subject":{"reference":"Patinet/1"}'),
        [
            (
                "value",
                "Observation.subject.reference",
                "'Patinet/1' is of no resource type of R4. Did you mean 'Patient'?",
            )
        ],
    ),
    "a reference that is none": (
        observation(',"subject":{"reference":"John Doe"}'),
        [("value", "Observation.subject.reference", "'John Doe' is not a reference; Type/id, an absolute URL")],
    ),
    "a reference to nothing contained": (
        observation(',"subject":{"reference":"#p"}'),
        [
            (
                "invariant",
                "Observation.subject.reference",
                "'#p' names no contained resource; nothing is contained (ref-1).",
            )
        ],
    ),
    "contained resources that nest, have versions, or are not referred to": (
        observation(
            ',"subject":{"reference":"#a"},"contained":[{"resourceType":"Patient","id":"a","meta":{"versionId":"1"}},'
            '{"resourceType":"Device","id":"b"},{"resourceType":"Group","id":"c","type":"person","actual":true,'
            '"contained":[{"resourceType":"Patient","id":"d"}],"managingEntity":{"reference":"#"}}]'
        ),
        [
            ("invariant", "Observation.contained[0].meta.versionId", "a contained resource has no versionId (dom-4)."),
            (
                "invariant",
                "Observation.contained[1]",
                "nothing refers to '#b', so the resource may not be contained (dom-3).",
            ),
            ("invariant", "Observation.contained[2].contained", "a contained resource contains no others (dom-2)."),
        ],
    ),
    "a contained resource of a type that is not allowed in its place": (
        observation(',"specimen":{"reference":"#a"},"contained":[{"resourceType":"Patient","id":"a"}]'),
        [("value", "Observation.specimen", "'#a' refers to Patient; allowed: Specimen.")],
    ),
    "extensions": (
        patient(
            '"extension":[{"url":"http://example.org"},{"valueString":"x"},{"url":"relative","valueString":"x"},'
            '{"url":"http://example.org","valueCodeableReference":{}},'
            '{"url":"http://example.org","valueString":"x","extension":[{"url":"part","valueString":"x"}]}]'
        ),
        [
            ("invariant", "Patient.extension[0]", "an extension has either a value or extensions, not both (ext-1)."),
            ("required", "Patient.extension[1].url", "missing"),
            ("value", "Patient.extension[2].url", "'relative' is not an absolute URL"),
            ("structure", "Patient.extension[3].valueCodeableReference", "there is no such element in Extension."),
            ("invariant", "Patient.extension[4]", "extension and valueString found"),
        ],
    ),
    "a narrative that runs something": (
        patient(
            '"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><script>x</script>'
            '<p onclick=\\"x()\\">a</p><a href=\\"javascript:x()\\">b</a></div>"}'
        ),
        [
            ("invariant", "Patient.text.div", "the element 'script' is not allowed in a narrative"),
            ("invariant", "Patient.text.div", "the attribute 'onclick' of 'p' is not allowed in a narrative"),
            ("invariant", "Patient.text.div", "a link to 'javascript:x()' is not allowed in a narrative"),
        ],
    ),
    "a narrative that is not XHTML": (
        patient('"text":{"status":"generated","div":"<div>a<br></div>"}'),
        [("invariant", "Patient.text.div", "this is not well-formed XHTML")],
    ),
    "a narrative that says nothing": (
        patient('"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"> </div>"}'),
        [("invariant", "Patient.text.div", "(txt-2)")],
    ),
    "a narrative with entities of its own": (
        patient('"text":{"status":"generated","div":"<!DOCTYPE d [<!ENTITY a \\"b\\">]><div>&a;</div>"}'),
        [("invariant", "Patient.text.div", "a document type or processing instruction is not allowed")],
    ),
    "a coding outside a required binding": (
        '{"resourceType":"Condition","subject":{"reference":"Patient/1"},'
        '"clinicalStatus":{"coding":[{"system":"http://example.org","code":"active"}]}}',
        [("code-invalid", "Condition.clinicalStatus", "'http://example.org|active' where one of")],
    ),
    "the invariants of an Observation": (
        '{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"a"}]},'
        '"valueString":"x","dataAbsentReason":{"text":"y"},"referenceRange":[{"age":{"low":{"value":1}}}],'
        '"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"a"}]}}]}',
        [
            ("invariant", "Observation.referenceRange[0]", "at least one of low, high, text is required (obs-3)."),
            ("invariant", "Observation", "dataAbsentReason and valueString exclude each other (obs-6)."),
            ("invariant", "Observation.component[0].code", "(obs-7)"),
        ],
    ),
    "the invariants of data types": (
        patient(
            '"telecom":[{"value":"1"}],"contact":[{"gender":"male"}],"photo":[{"data":"aGVsbG8="}],'
            '"name":[{"period":{"start":"2026-02","end":"2026-01-31"}}]'
        ),
        [
            ("invariant", "Patient.telecom[0]", "value needs system beside it (cpt-2)."),
            (
                "invariant",
                "Patient.contact[0]",
                "at least one of name, telecom, address, organization is required (pat-1).",
            ),
            ("invariant", "Patient.photo[0]", "data needs contentType beside it (att-1)."),
            ("invariant", "Patient.name[0].period", "the start 2026-02 is after the end 2026-01-31 (per-1)."),
        ],
    ),
    "a unit code without its system": (
        observation(',"valueQuantity":{"value":1,"code":"mg"}'),
        [("invariant", "Observation.valueQuantity", "code needs system beside it (qty-3).")],
    ),
    "a transaction Bundle": (
        '{"resourceType":"Bundle","type":"transaction","total":1,"entry":[{"fullUrl":"urn:uuid:1","resource":'
        '{"resourceType":"Patient","gender":"x"}},{"request":{"method":"GET","url":"Patient/1"},"search":{"mode":"match"},'
        '"fullUrl":"urn:uuid:1"}]}',
        [
            (
                "code-invalid",
                "Bundle.entry[0].resource.gender",
                "Bundle.entry[0].resource.gender: 'x' is not one of male, female, other, unknown.",
            ),
            ("invariant", "Bundle.total", "a transaction has no total; a searchset or history does (bdl-1)."),
            ("invariant", "Bundle.entry[0].request", "an entry of a transaction needs a request (bdl-3)."),
            ("invariant", "Bundle.entry[1].search", "an entry of a transaction has no search"),
            ("invariant", "Bundle.entry[1].fullUrl", "'urn:uuid:1' occurs twice; it is unique (bdl-7)."),
        ],
    ),
    "another type than asked for": (
        '{"resourceType":"Patient","foo":1}',
        [("structure", "Observation.resourceType", "'Patient'; 'Observation' is required.")],
    ),
    "no type": ("{}", [("structure", "Observation.resourceType", "missing; 'Observation' is required.")]),
    "no object": ("[]", [("structure", "Observation", "an array where a resource, a JSON object, is required.")]),
}


@pytest.mark.parametrize("name", CASES)
def test_each_error_is_told_once_with_its_path(name: str, validator: Validator) -> None:
    text, expected = CASES[name]
    resource: Any = parse(text)
    resource_type = resource.get("resourceType", "Observation") if isinstance(resource, dict) else "Observation"
    if name == "another type than asked for":
        resource_type = "Observation"
    issues = validator.check(resource, resource_type)
    assert [(issue.code, issue.expression[0]) for issue in issues] == [(code, path) for code, path, _ in expected]
    for issue, (_, path, details) in zip(issues, expected, strict=True):
        assert details in issue.details
        assert issue.details.startswith(f"{path}: ")


def test_a_flood_of_errors_is_cut_and_counted(validator: Validator) -> None:
    issues = validator.check({"resourceType": "Patient", "name": [{}] * 300}, "Patient")
    assert len(issues) == 201
    assert issues[-1].details == "100 more errors are not listed."


def test_a_type_that_r4_lacks_is_not_supported(validator: Validator) -> None:
    assert [issue.code for issue in validator.check({"resourceType": "Citation"}, "Citation")] == ["not-supported"]
