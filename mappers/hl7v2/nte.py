"""NTE: comments, joined to one Annotation per author and time; blank lines stay blank lines.

https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-nte-to-observation.html
"""

from typing import Any

from fhir_lab.ingest.hl7v2.message import Segment
from mappers.hl7v2.context import Context
from mappers.hl7v2.datatypes import display_name, person_name

NOTE_EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"


def annotations(notes: list[Segment], context: Context) -> list[dict[str, Any]]:
    """The notes as Annotations, in the order sent; none where all of them are blank."""
    found: list[dict[str, Any]] = []
    written: list[list[str]] = []
    for note in notes:
        author, time = display_name(person_name(note[5])), context.time(note, 6)
        head = {**({"authorString": author} if author else {}), **({"time": time.text} if time else {})}
        if not found or (head and head != found[-1]):
            found.append(head)
            written.append([])
        written[-1].append(_text(note))
    texts = ["\n".join(lines).strip("\n") for lines in written]
    return [{**head, "text": text} for head, text in zip(found, texts, strict=True) if text.strip()]


def _text(note: Segment) -> str:
    """NTE-3, its repetitions as lines; a coded comment (NTE-4) is not text."""
    return "\n".join(line.text for line in note.lines(3))
