"""FHIRPath: expressions compiled once to Python closures that walk parsed JSON.

Invariants and the constraints of profiles are evaluated here; what the closures cannot do goes to fhirpathpy.
http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html
"""

from fhir_lab.fhirpath.conditions import Condition, condition
from fhir_lab.fhirpath.grammar import UnsupportedError, parse
from fhir_lab.fhirpath.nodes import Context, EvaluationError, Node

__all__ = ["Condition", "Context", "EvaluationError", "Node", "UnsupportedError", "condition", "parse"]
