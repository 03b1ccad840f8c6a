"""From XML text to the JSON form, refusing what FHIR has no place for; values and cardinality are the guard's to check.

No document type, entity or processing instruction is read, whatever it says. https://hl7.org/fhir/R4/xml.html,
https://hl7.org/fhir/R4/security.html#xml
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from lxml import etree

import conformance
from fhir_lab.documents import Resource, check_depth, number
from fhir_lab.outcomes import BadRequest, nearest
from fhir_lab.xml.shapes import COMPLEX, FHIR, NARRATIVE, PRIMITIVE, RESOURCE, XHTML, Part, Shape, is_resource, shape

Json = dict[str, Any]
_DECLARED = re.compile(r"""<\?xml\s[^>]*?encoding\s*=\s*["']([^"']*)["']""")
# In well-formed text `<` begins a tag, a comment or a CDATA section, and nothing else.
_DIV_TAGS = re.compile(
    r"""<!--.*?-->|<!\[CDATA\[.*?\]\]>|<(?P<end>/?)div(?=[\s/>])(?:[^>"']|"[^"]*"|'[^']*')*>""", re.DOTALL
)
_OWN_NAMESPACE = re.compile(rf"""<div\s[^>]*?xmlns\s*=\s*["']{re.escape(XHTML)}["']""")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}
_INTEGERS = frozenset(("integer", "positiveInt", "unsignedInt"))


def from_xml(body: bytes, max_depth: int = 100) -> Resource:
    """A resource in FHIR XML as the JSON form of it.

    Raises `BadRequest` for text that is not UTF-8 or not well-formed, for a document type, an entity or a processing
    instruction, for nesting beyond `max_depth`, and, with its place, for an element or attribute that FHIR does not
    have, that is in another namespace, out of order or repeated where it may occur once.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    declared = _DECLARED.match(text)
    if declared and declared[1].upper() not in ("UTF-8", "UTF8"):
        raise _unreadable(f"The body says that it is {ascii(declared[1])[:40]}; FHIR allows only UTF-8.")
    if "<!DOCTYPE" in text:
        raise _unreadable("A document type (<!DOCTYPE) is not allowed, nor are entities but the five of XML.")
    root = _parsed(text)
    for beside in (*root.itersiblings(preceding=True), *root.itersiblings()):
        _refuse_instruction(beside, "http.body")
    resource = _Reader(text).resource(root, "")
    check_depth(resource, max_depth)
    return resource


def _parsed(text: str) -> etree._Element:
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        collect_ids=False,
    )
    try:
        return etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise _unreadable(f"The body is not well-formed XML: {ascii(error.msg)[1:-1][:200]}.") from None


class _Reader:
    """One walk over one document; its narratives are cut out of the text, in their order, as they were written."""

    def __init__(self, text: str) -> None:
        self._narratives = _divs(text)

    def resource(self, element: etree._Element, path: str) -> Json:
        """The resource that `element` is; `path` is where it stands, empty for the whole document."""
        name = _name(element, path)
        if not is_resource(name):
            known = filter(is_resource, conformance.elements())
            raise _wrong(path or "http.body", f"'{name}' is not a resource type of R4.{nearest(name, known)}")
        place = path or name
        for attribute in element.attrib:
            raise _wrong(place, f"a resource has no attributes, but '{attribute!s}' is there; its id is an element.")
        return {"resourceType": name} | self._elements(element, shape(name), place)

    def _elements(self, element: etree._Element, form: Shape, path: str) -> Json:
        found: Json = {}
        beside: dict[str, dict[int, Json]] = {}
        last: Part | None = None
        _refuse_text(element.text, path)
        for child in element:
            part = form.tags.get(child.tag) or _unknown(child, form, path)
            _refuse_text(child.tail, path)
            if last is not None and part.place < last.place:
                raise _wrong(f"{path}.{part.name}", f"this element comes before '{last.name}'; XML has a fixed order.")
            last = part
            name = part.name
            earlier = found.setdefault(name, []) if part.repeats else []
            if not part.repeats and (name in found or f"_{name}" in found):
                raise _wrong(f"{path}.{name}", "this element is repeated; it occurs at most once.")
            where = f"{path}.{name}[{len(earlier)}]" if part.repeats else f"{path}.{name}"
            value, more = self._value(child, part, where)
            if more is not None:
                beside.setdefault(name, {})[len(earlier)] = more
            if part.repeats:
                earlier.append(value)
            elif value is not None:
                found[name] = value
            else:
                found[f"_{name}"] = more
        return _aligned(found, beside, form) if beside else found

    def _value(self, child: etree._Element, part: Part, path: str) -> tuple[Any, Json | None]:
        """The value of an element, and for a primitive its id and extensions if it has any."""
        if part.kind == PRIMITIVE:
            if len(child) == 0 and len(child.attrib) == 1 and (value := child.get("value")) is not None:
                _refuse_text(child.text, path)
                return _typed(value, part.type, path), None
            return self._extended(child, part, path)
        if part.kind == COMPLEX:
            form = shape(part.type)
            return _attributes(child, form.attributes, path) | self._elements(child, form, path), None
        if part.kind == NARRATIVE:
            return self._narrative(child), None
        assert part.kind == RESOURCE
        return self._wrapped(child, path), None

    def _extended(self, child: etree._Element, part: Part, path: str) -> tuple[Any, Json | None]:
        given = _attributes(child, ("value", "id"), path)
        value = given.pop("value", None)
        beside = given | self._elements(child, shape("Element"), path)
        if value is None and not beside:
            raise _wrong(path, "an element without a value or extension is not allowed; leave it out.")
        return None if value is None else _typed(value, part.type, path), beside or None

    def _wrapped(self, wrapper: etree._Element, path: str) -> Json:
        _attributes(wrapper, (), path)
        _refuse_text(wrapper.text, path)
        inside = list(wrapper)
        if len(inside) != 1:
            raise _wrong(path, f"{len(inside)} elements are in it; exactly one resource is required.")
        _refuse_text(inside[0].tail, path)
        return self.resource(inside[0], path)

    def _narrative(self, div: etree._Element) -> str:
        if div.prefix is None:
            written = next(self._narratives)
            if _OWN_NAMESPACE.match(written):
                return written
        alone = deepcopy(div)
        alone.tail = None
        etree.cleanup_namespaces(alone)
        return etree.tostring(alone, encoding="unicode")


def _divs(text: str) -> Iterator[str]:
    """The outermost `<div>` elements of well-formed text, as they are written."""
    depth = start = 0
    for tag in _DIV_TAGS.finditer(text):
        if tag["end"] is None:
            continue
        if depth == 0:
            start = tag.start()
        if tag["end"]:
            depth -= 1
        elif not tag[0].endswith("/>"):
            depth += 1
        if depth == 0:
            yield text[start : tag.end()]


def _aligned(found: Json, beside: dict[str, dict[int, Json]], form: Shape) -> Json:
    """Add what stands beside primitives, with nulls so that both arrays have the same length."""
    for name, more in beside.items():
        if not form.parts[name].repeats:
            found[f"_{name}"] = more[0]
            continue
        values = found[name]
        found[f"_{name}"] = [more.get(index) for index in range(len(values))]
        if all(value is None for value in values):
            del found[name]
    return found


def _typed(value: str, fhir_type: str, path: str) -> Any:
    """A value as JSON has it; what is not written as its type stays text, and the guard tells what is wrong with it."""
    if fhir_type == "boolean":
        return _BOOLEANS.get(value, value)
    if fhir_type == "decimal" and _DECIMAL.fullmatch(value):
        return number(value)
    if fhir_type in _INTEGERS and _INTEGER.fullmatch(value):
        return number(value.removeprefix("+"))
    return value


def _attributes(element: etree._Element, allowed: tuple[str, ...], path: str) -> Json:
    found = {str(name): value for name, value in element.attrib.items()}
    for name in found:
        if name not in allowed:
            possible = " and ".join(allowed) or "none"
            raise _wrong(path, f"there is no attribute '{name}' here; possible: {possible}.{nearest(name, allowed)}")
    return found


def _unknown(child: etree._Element, form: Shape, path: str) -> Part:
    """Raises `BadRequest` for a child that the shape does not have."""
    _refuse_instruction(child, path)
    name = _name(child, path)
    if name in form.parts:
        raise _wrong(f"{path}.{name}", f"the narrative is in another namespace; {XHTML} is required.")
    said = name if name.isprintable() else ascii(name)
    raise _wrong(f"{path}.{said}", f"there is no such element here.{nearest(name, form.parts)}")


def _name(element: etree._Element, path: str) -> str:
    _refuse_instruction(element, path)
    name = etree.QName(element)
    if name.namespace != FHIR:
        where = f"{path}.{name.localname}" if path else "http.body"
        found = f"in the namespace '{name.namespace}'" if name.namespace else "in no namespace"
        raise _wrong(where, f"the element '{name.localname}' is {found}; {FHIR} is required.")
    return name.localname


def _refuse_instruction(node: etree._Element, path: str) -> None:
    if not isinstance(node.tag, str):
        raise _wrong(path, "processing instructions and entities are not allowed.")


def _refuse_text(text: str | None, path: str) -> None:
    if text and not text.isspace():
        raise _wrong(path, "text between elements is not allowed; a value is in the attribute 'value'.")


def _wrong(path: str, details: str) -> BadRequest:
    return BadRequest.of(f"{path}: {details}", path, code="structure")


def _unreadable(details: str) -> BadRequest:
    return BadRequest.of(details, "http.body", code="structure")
