"""FHIR XML in and out: `from_xml` gives the value that the same JSON would give, `to_xml` writes it.

https://hl7.org/fhir/R4/xml.html
"""

from fhir_lab.xml.read import from_xml
from fhir_lab.xml.write import to_xml

__all__ = ["from_xml", "to_xml"]
