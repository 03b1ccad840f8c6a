"""Date parameters: ranges of time. https://hl7.org/fhir/R4/search.html#date

A row is [low, high) in microseconds UTC. A string in a choice (`Procedure.performedString`) is not a date and gives
none.
"""

from fhir_lab.search.expressions import Node
from fhir_lab.search.values import Place, date_range, period_range, timing_range

DateRow = tuple[int, int]


def extract(node: Node, place: Place) -> list[DateRow]:
    """The range of a date, dateTime, instant, Period or Timing."""
    if node.type in ("dateTime", "instant", "date"):
        return [date_range(node.value, place.zone)]
    if node.type == "Period":
        return [period_range(node.value, place.zone)]
    if node.type == "Timing":
        return [timing_range(node.value, place.zone)]
    return []
