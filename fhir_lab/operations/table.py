"""The table of operations. What is here is routed, told by the CapabilityStatement and readable as a definition.

https://hl7.org/fhir/R4/operationslist.html
"""

from fhir_lab.interactions.operation import Operation
from fhir_lab.operations import (
    everything,
    export,
    expunge,
    lastn,
    match,
    merge,
    meta,
    stats,
)

OPERATIONS: tuple[Operation, ...] = (
    *export.OPERATIONS,
    *everything.OPERATIONS,
    *expunge.OPERATIONS,
    *lastn.OPERATIONS,
    *match.OPERATIONS,
    *merge.OPERATIONS,
    *meta.OPERATIONS,
    *stats.OPERATIONS,
)
