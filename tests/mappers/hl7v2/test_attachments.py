"""ED and RP: documents and images, whatever their description says."""

import base64

import pytest

from tests.support.hl7v2_store import ORDER, PATIENT, Store

PDF = base64.b64encode(b"%PDF-1.4 report").decode()
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nimage").decode()
EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.valueAttachment"


def attachments(store: Store) -> list[dict[str, object]]:
    extensions = store.one("Observation")["extension"]
    return [each["valueAttachment"] for each in extensions if each["url"] == EXTENSION]


@pytest.mark.parametrize(
    ("written", "kind", "data"),
    [
        (f"^application^pdf^Base64^{PDF}", "application/pdf", PDF),
        (f"^AP^PDF^Base64^{PDF}", "application/pdf", PDF),
        (f"^Image^BMP^Base64^{PDF}", "application/pdf", PDF),
        (f"^TEXT^^Hex^{PDF}", "application/pdf", PDF),
        (f"LIS^application/pdf^^Base64^{PDF}", "application/pdf", PDF),
        (f"^Image^PNG^Base64^{PNG}", "image/png", PNG),
        ("^Image^JPEG^Base64^AAAA", "image/jpeg", "AAAA"),
        ("^application^x-lab^Base64^AAAA", "application/x-lab", "AAAA"),
        ("^?^?^Base64^AAAA", "application/octet-stream", "AAAA"),
        (f"^application^pdf^Base64^{PDF[:8]}\\.br\\{PDF[8:]}", "application/pdf", PDF),
        (f"^application^pdf^Base64^{PDF.rstrip('=')}", "application/pdf", PDF),
        ("^application^pdf^Hex^255044462D", "application/pdf", base64.b64encode(b"%PDF-").decode()),
        ("^TX^^A^plain words", "text/plain", base64.b64encode(b"plain words").decode()),
    ],
)
def test_the_first_bytes_tell_what_it_is(written: str, kind: str, data: str) -> None:
    store = Store()
    store.send(PATIENT, ORDER, f"OBX|1|ED|PDF^Report^L||{written}||||||F")
    (found,) = attachments(store)
    assert (found["contentType"], found["data"], found["title"]) == (kind, data, "Report")
    assert "dataAbsentReason" not in store.one("Observation")


def test_a_pdf_is_the_presented_form_of_the_report_too() -> None:
    store = Store()
    store.send(PATIENT, ORDER, f"OBX|1|ED|PDF^Report^L||^application^pdf^Base64^{PDF}||||||F")
    assert store.one("DiagnosticReport")["presentedForm"] == attachments(store)


def test_an_image_is_no_presented_form() -> None:
    store = Store()
    store.send(PATIENT, ORDER, f"OBX|1|ED|IMG^Image^L||^Image^PNG^Base64^{PNG}||||||F")
    assert "presentedForm" not in store.one("DiagnosticReport")


def test_a_document_split_over_results_is_one() -> None:
    store = Store()
    conversion = store.send(
        PATIENT,
        ORDER,
        f"OBX|1|ED|PDF^Report^L||^application^pdf^Base64^{PDF[:8]}||||||F",
        f"OBX|2|ED|PDF^Report^L||{PDF[8:12]}||||||F",
        f"OBX|3|ED|PDF^Report^L||{PDF[12:]}||||||F",
        "OBX|4|ED|PDF^Other^L||^application^pdf^Base64^AAAA||||||F",
    )
    assert (conversion.obx_in, conversion.obx_stored) == (4, 4)
    documents = [
        each["valueAttachment"]["data"]
        for found in store.of("Observation")
        for each in found["extension"]
        if each["url"] == EXTENSION
    ]
    assert sorted(documents) == sorted([PDF, "AAAA"])


def test_two_documents_in_one_result_are_both_kept() -> None:
    store = Store()
    store.send(PATIENT, ORDER, f"OBX|1|ED|PDF^Report^L||^application^pdf^Base64^{PDF}~^Image^PNG^Base64^{PNG}||||||F")
    assert [found["contentType"] for found in attachments(store)] == ["application/pdf", "image/png"]


def test_a_pointer_is_an_address() -> None:
    store = Store()
    store.send(PATIENT, ORDER, "OBX|1|RP|PDF^Link^L||https://lab.example/r 1.pdf^LIS^application^pdf||||||F")
    expected = {"contentType": "application/pdf", "url": "https://lab.example/r%201.pdf", "title": "Link"}
    assert attachments(store) == [expected]


@pytest.mark.parametrize("line", ["OBX|1|ED|x^x^L||^application^pdf^Base64^||||||F", "OBX|1|RP|x^x^L||^LIS||||||F"])
def test_a_document_without_content_is_held_back(line: str) -> None:
    conversion = Store().send(PATIENT, ORDER, line)
    assert [reason.code for reason in conversion.reasons] == ["attachment-unreadable"]
    assert conversion.obx_quarantined == 1
