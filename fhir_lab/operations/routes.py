"""Everything that is routed below the FHIR base: the interactions of R4 and the operations of this server."""

from fhir_lab.interactions.routes import INTERACTIONS
from fhir_lab.operations.table import OPERATIONS

ROUTED = (*INTERACTIONS, *(row for operation in OPERATIONS for row in operation.rows()))
