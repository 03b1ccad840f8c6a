"""The HL7 tables that decide a FHIR code, from `tables.json`: data, so that a laboratory can read and extend them.

https://build.fhir.org/ig/HL7/v2-to-fhir/ (concept maps)
"""

import json
from importlib import resources
from typing import Any

_TABLES: dict[str, Any] = json.loads(resources.files(__package__).joinpath("tables.json").read_text("utf-8"))

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
UCUM = "http://unitsofmeasure.org"

GENDER: dict[str, str] = _TABLES["gender_0001"]
INTERPRETATION: dict[str, str] = _TABLES["interpretation_0078"]
INTERPRETATION_WORDS: dict[str, str] = _TABLES["interpretation_words"]
RESULT_STATUS: dict[str, str] = _TABLES["result_status_0085"]
REPORT_STATUS: dict[str, str] = _TABLES["report_status_0123"]
ORDER_STATUS: dict[str, str] = _TABLES["order_status_0038"]
ORDER_CONTROL: dict[str, str] = _TABLES["order_control_0119"]
PRIORITY: dict[str, str] = _TABLES["priority_0485"]
ENCOUNTER_CLASS: dict[str, list[str]] = _TABLES["encounter_class_0004"]
MARITAL_STATUS: dict[str, list[str]] = _TABLES["marital_status_0002"]
SECTION: dict[str, str] = _TABLES["section_0074"]
IDENTIFIER_TYPE: dict[str, str] = _TABLES["identifier_type_0203"]
RELATIONSHIP: dict[str, list[str]] = _TABLES["relationship_0063"]
NAME_USE: dict[str, str] = _TABLES["name_use_0200"]
ADDRESS_USE: dict[str, str] = _TABLES["address_use_0190"]
ADDRESS_TYPE: dict[str, str] = _TABLES["address_type_0190"]
TELECOM_USE: dict[str, str] = _TABLES["telecom_use_0201"]
TELECOM_SYSTEM: dict[str, str] = _TABLES["telecom_system_0202"]
SPECIMEN_STATUS: dict[str, str] = _TABLES["specimen_status_0136"]
PROCESSING: dict[str, str] = _TABLES["processing_0103"]
CODING_SYSTEMS: dict[str, str] = _TABLES["coding_systems_0396"]
KNOWN_OIDS: dict[str, str] = _TABLES["known_oids"]
UNIT_ALIASES: dict[str, str] = _TABLES["unit_aliases"]


def coding(entry: list[str]) -> dict[str, str]:
    """A Coding from a table entry [code system below terminology.hl7.org, code, display]."""
    return {"system": TERMINOLOGY + entry[0], "code": entry[1], "display": entry[2]}
