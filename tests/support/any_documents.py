"""Documents of every type that use all the ways a document can be put together: ids and extensions on everything,
primitives with and without values, gaps in arrays, contained resources, and text that XML finds hard.
"""

from random import Random
from typing import Any

import conformance
from fhir_lab.documents import ExactDecimal

Json = dict[str, Any]
TYPES = tuple(
    name for name, each in conformance.elements().items() if each["kind"] == "resource" and not each["abstract"]
)
TEXTS = (
    *("x", "a & b", "<b>", '"quoted"', "it's", "line\nbreak", "tab\tstop", "car\rriage", "\r\n", "]]>", "&amp;"),
    *("Ω€", "\U0001f600", "e\u0301", "\u0085next", "\u2028", "\u00a0", " leading and  double ", "<!-- -->", "<?x?>"),
)
NARRATIVES = (
    '<div xmlns="http://www.w3.org/1999/xhtml">plain</div>',
    '<div xmlns="http://www.w3.org/1999/xhtml"><div>inner</div><p>a &amp; b &#xA0; &lt;</p></div>',
    "<div xmlns='http://www.w3.org/1999/xhtml' title='a > b'><br /><img alt=\"\" src='#x'></img>\r\n</div>",
    '<div xmlns="http://www.w3.org/1999/xhtml"><!-- <div> --><p><![CDATA[<div>]]></p><div/></div >',
)
NUMBERS = ("6.30", "0", "-0", "-0.0", "1e2", "1E+2", "1.0e-7", "100", "123456789012345678901234567890.10")
PRIMITIVES: dict[str, tuple[Any, ...]] = {
    "boolean": (True, False),
    "decimal": tuple(int(text) if text in ("0", "100") else ExactDecimal(text) for text in NUMBERS),
    "integer": (-5, 0, 2147483647),
    "positiveInt": (1, 70),
    "unsignedInt": (0, 9),
    "xhtml": NARRATIVES,
}


class AnyDocument:
    """Makes documents whose structure is right; their values need not be."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def resource(self, name: str, depth: int = 0) -> Json:
        """A resource of the type; the deeper, the less is in it."""
        return {"resourceType": name, "id": "a"} | self.content(name, depth)

    def content(self, path: str, depth: int) -> Json:
        made: Json = {}
        for label, element in _children(path).items():
            if element["card"] == "0..0" or (label == "id" and path in TYPES):
                continue
            if label == "url" and path == "Extension":
                made["url"] = "http://example.org/?a=1&b=2"
            elif self.random.random() < 0.7 / (depth + 1) ** 2:
                made |= self.element(path, label, element, depth)
        if not made:
            made["id"] = "i"
        return made

    def element(self, path: str, label: str, element: Json, depth: int) -> Json:
        chosen = self.random.choice(element.get("types", [""]))
        fhir_type = chosen if isinstance(chosen, str) else chosen[0]
        name = label[:-3] + fhir_type[0].upper() + fhir_type[1:] if label.endswith("[x]") else label
        many = not element["card"].endswith("..1")
        if label == "id":
            return {"id": self.random.choice(TEXTS)}
        if fhir_type and conformance.elements()[fhir_type]["kind"] == "primitive-type":
            return self.primitives(name, fhir_type, depth) if many else self.primitive(name, fhir_type, depth)
        inner = element.get("sameAs", f"{path}.{label}" if fhir_type in ("BackboneElement", "Element") else fhir_type)
        found = [self.value(inner, depth + 1) for _ in range(self.random.randint(1, 3) if many else 1)]
        return {name: found if many else found[0]}

    def value(self, inner: str, depth: int) -> Json:
        if inner == "Resource":
            return self.resource(self.random.choice(TYPES), depth + 1)
        return self.content(inner, depth)

    def primitive(self, name: str, fhir_type: str, depth: int) -> Json:
        value = self.random.choice(PRIMITIVES.get(fhir_type, TEXTS))
        how = 0 if fhir_type == "xhtml" else self.random.randrange(4)
        return {} if how == 3 else self._beside(name, value, how, depth)

    def _beside(self, name: str, value: Any, how: int, depth: int) -> Json:
        if how == 0:
            return {name: value}
        more = self.content("Element", depth + 1)
        return {f"_{name}": more} if how == 1 else {name: value, f"_{name}": more}

    def primitives(self, name: str, fhir_type: str, depth: int) -> Json:
        found = [
            self._beside("", self.random.choice(PRIMITIVES.get(fhir_type, TEXTS)), self.random.randrange(3), depth)
            for _ in range(self.random.randint(1, 3))
        ]
        made: Json = {}
        for key in ("", "_"):
            if any(key in each for each in found):
                made[key + name] = [each.get(key) for each in found]
        return made


def _children(path: str) -> Json:
    elements = conformance.elements()[path.partition(".")[0]]["elements"]
    below = {name.removeprefix(f"{path}."): each for name, each in elements.items() if name.startswith(f"{path}.")}
    return {label: each for label, each in below.items() if "." not in label}
