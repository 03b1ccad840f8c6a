"""The table of operations. What is here is routed, told by the CapabilityStatement and readable as a definition.

https://hl7.org/fhir/R4/operationslist.html
"""

from fhir_lab.interactions.operation import Operation
from fhir_lab.operations import export, lastn, match, meta, stats

OPERATIONS: tuple[Operation, ...] = (
    *meta.OPERATIONS,
    *lastn.OPERATIONS,
    *stats.OPERATIONS,
    *match.OPERATIONS,
    *export.OPERATIONS,
)
