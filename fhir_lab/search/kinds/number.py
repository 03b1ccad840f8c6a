"""Number parameters. https://hl7.org/fhir/R4/search.html#number

A row is (value, low, high): low <= x < high is what the written precision implies. An interval, a Range of plain
numbers, has a row at each end with the same low and high, so that `value > x` and `value < x` answer gt and lt; an
open end is infinite.
"""

from math import inf

from fhir_lab.search.expressions import Node
from fhir_lab.search.values import Place, number_range

NumberRow = tuple[float, float, float]


def extract(node: Node, _place: Place) -> list[NumberRow]:
    """The rows of an integer, decimal or Range."""
    if node.type == "Range":
        low, high = node.value.get("low"), node.value.get("high")
        start = float(low["value"]) if low else -inf
        end = float(high["value"]) if high else inf
        return [(start, start, end), (end, start, end)]
    return [number_range(node.value)]
