"""From the JSON form to XML text, which is put together directly: a tree in between would only cost time.

https://hl7.org/fhir/R4/xml.html
"""

import re
from decimal import Decimal
from typing import Any

from fhir_lab.documents import ExactDecimal, Resource
from fhir_lab.xml.shapes import COMPLEX, FHIR, NARRATIVE, PRIMITIVE, Part, Shape, shape

Json = dict[str, Any]
START = '<?xml version="1.0" encoding="UTF-8"?>'
# Line ends and tabs must be written as references, or a reader makes blanks of them.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
# No XML can hold the others, not even as references. No stored document has them, but an error may quote one.
_SPECIAL = re.compile('[&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]')


def to_xml(resource: Resource, *, pretty: bool = False) -> bytes:
    """A resource in its JSON form as FHIR XML; decimals and narratives exactly as they were written.

    Raises `ValueError` for a property that the type does not have.
    """
    writer = _Writer("  " if pretty else "")
    writer.out.append(START)
    writer.resource(resource, "\n" if pretty else "", f' xmlns="{FHIR}"')
    return "".join(writer.out).encode()


class _Writer:
    """Appends to `out`; `pad` is what stands before a tag, a new line and blanks if the text is for people."""

    def __init__(self, step: str) -> None:
        self.out: list[str] = []
        self.step = step

    def resource(self, value: Json, pad: str, namespace: str = "") -> None:
        name = value["resourceType"]
        if len(value) == 1:
            self.out.append(f"{pad}<{name}{namespace}/>")
            return
        self.out.append(f"{pad}<{name}{namespace}>")
        self._elements(value, shape(name), pad + self.step)
        self.out.append(f"{pad}</{name}>")

    def _elements(self, value: Json, form: Shape, pad: str) -> None:
        try:
            names = sorted(value, key=form.places.__getitem__)
        except KeyError as error:
            raise ValueError(f"no element {error} in XML") from None
        for name in names:
            part = form.parts.get(name)
            if part is None:
                # Attributes are written with the tag, and `_status` with `status` if there is one.
                if name[0] == "_" and name[1:] not in value:
                    self._beside(form.parts[name[1:]], value[name], pad)
            elif part.kind == PRIMITIVE:
                self._primitives(part, value[name], value.get(f"_{name}"), pad)
            elif part.repeats:
                for each in value[name]:
                    self._element(part, each, pad)
            else:
                self._element(part, value[name], pad)

    def _element(self, part: Part, value: Any, pad: str) -> None:
        name = part.name
        if part.kind == COMPLEX:
            self._complex(name, value, shape(part.type), pad)
        elif part.kind == NARRATIVE:
            self.out.append(pad + value)
        else:
            self.out.append(f"{pad}<{name}>")
            self.resource(value, pad + self.step)
            self.out.append(f"{pad}</{name}>")

    def _complex(self, name: str, value: Json, form: Shape, pad: str) -> None:
        attributes = "".join([f' {each}="{_text(value[each])}"' for each in form.attributes if each in value])
        self.out.append(f"{pad}<{name}{attributes}>")
        self._elements(value, form, pad + self.step)
        self.out.append(f"{pad}</{name}>")

    def _primitives(self, part: Part, value: Any, beside: Any, pad: str) -> None:
        if not part.repeats:
            self._primitive(part.name, value, beside, pad)
            return
        for index, each in enumerate(value):
            self._primitive(part.name, each, beside[index] if beside else None, pad)

    def _beside(self, part: Part, beside: Any, pad: str) -> None:
        for each in beside if part.repeats else [beside]:
            self._primitive(part.name, None, each, pad)

    def _primitive(self, name: str, value: Any, beside: Json | None, pad: str) -> None:
        if beside is None:
            if value is not None:
                self.out.append(f'{pad}<{name} value="{_text(value)}"/>')
            return
        attributes = f' id="{_text(beside["id"])}"' if "id" in beside else ""
        if value is not None:
            attributes += f' value="{_text(value)}"'
        if "extension" not in beside:
            self.out.append(f"{pad}<{name}{attributes}/>")
            return
        self.out.append(f"{pad}<{name}{attributes}>")
        for extension in beside["extension"]:
            self._complex("extension", extension, shape("Extension"), pad + self.step)
        self.out.append(f"{pad}</{name}>")


def _text(value: Any) -> str:
    """A primitive as an attribute holds it."""
    if type(value) is str:
        return _SPECIAL.sub(_escaped, value) if _SPECIAL.search(value) else value
    if isinstance(value, ExactDecimal):
        return value.literal
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _escaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], "\ufffd")
