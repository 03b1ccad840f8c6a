"""From a name and a type in a patch to the element that is meant.

https://hl7.org/fhir/R4/fhirpatch.html
"""

import conformance
from fhir_lab.elements import Element, elements_of
from fhir_lab.outcomes import nearest

# Types of which one may be given where another is expected: both are written alike and the content is checked anyway.
_ALIKE = (
    frozenset(("string", "code", "id", "markdown", "uri", "url", "canonical", "oid", "uuid")),
    frozenset(("integer", "positiveInt", "unsignedInt")),
)


class NoSuchElementError(ValueError):
    """The type has no element of this name, or not with this type."""


def elements_named(owner: str, label: str) -> list[Element]:
    """The element `label` of the type or path `owner`, once for each type that its value may have.

    The properties of JSON (`valueQuantity`) are names as well. Raises `NoSuchElementError`.
    """
    known = elements_of(owner)
    found = [element for element in known if label in (element.label, element.name)]
    if not found:
        close = nearest(label, (element.label for element in known))
        raise NoSuchElementError(f"There is no element '{label[:64]}' in {owner or 'this'}.{close}")
    return found


def element_for(owner: str, label: str, given: str) -> Element:
    """The element `label` that takes a value of the type `given` (`Quantity`; empty for one made of parts).

    Raises `NoSuchElementError`.
    """
    found = elements_named(owner, label)
    for each in found:
        if _fits(each, given) if given else not each.primitive:
            return each
    allowed = ", ".join(sorted({"parts" if "." in each.content else each.content for each in found}))
    raise NoSuchElementError(f"{owner}.{label} takes {allowed}, not {given or 'parts'}.")


def _fits(element: Element, given: str) -> bool:
    if element.rivals:
        return element.name == element.label + given[0].upper() + given[1:]
    # `valueDateTime` tells the type with a capital: primitives are written dateTime, the others Period.
    given = given if given in conformance.elements() else given[0].lower() + given[1:]
    return given == element.content or any(given in alike and element.content in alike for alike in _ALIKE)
