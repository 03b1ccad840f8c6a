"""The table of operations. What is here is routed, told by the CapabilityStatement and readable as a definition.

https://hl7.org/fhir/R4/operationslist.html
"""

from fhir_lab.interactions.operation import Operation
from fhir_lab.operations import (
    everything,
    expand,
    export,
    expunge,
    graphql,
    lastn,
    load,
    lookup,
    match,
    merge,
    meta,
    stats,
    translate,
    validate,
    validate_code,
)

OPERATIONS: tuple[Operation, ...] = (
    *everything.OPERATIONS,
    *expand.OPERATIONS,
    *export.OPERATIONS,
    *expunge.OPERATIONS,
    *graphql.OPERATIONS,
    *lastn.OPERATIONS,
    *load.OPERATIONS,
    *lookup.OPERATIONS,
    *match.OPERATIONS,
    *merge.OPERATIONS,
    *meta.OPERATIONS,
    *stats.OPERATIONS,
    *translate.OPERATIONS,
    *validate.OPERATIONS,
    *validate_code.OPERATIONS,
)
