"""URI parameters: compared as they are written. https://hl7.org/fhir/R4/search.html#uri"""

from fhir_lab.search.expressions import Node
from fhir_lab.search.values import Place, key

UriRow = tuple[str]


def extract(node: Node, _place: Place) -> list[UriRow]:
    """The URI of a node, as `values.key` cuts it."""
    return [(key(node.value),)]
