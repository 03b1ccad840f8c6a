"""The table of interactions. What is here is routed and told by the CapabilityStatement; nothing else is.

https://hl7.org/fhir/R4/http.html#summary
"""

from conformance import compartments
from fhir_lab.interactions.bundle import bundle
from fhir_lab.interactions.capabilities import capabilities
from fhir_lab.interactions.create import create
from fhir_lab.interactions.delete import delete
from fhir_lab.interactions.history import OF_MANY as HISTORIES
from fhir_lab.interactions.history import PARAMETERS as HISTORY
from fhir_lab.interactions.history import history
from fhir_lab.interactions.message import Interaction
from fhir_lab.interactions.patch import patch
from fhir_lab.interactions.read import read
from fhir_lab.interactions.search import search
from fhir_lab.interactions.subset import PARAMETERS as SUBSET
from fhir_lab.interactions.update import update
from fhir_lab.interactions.vread import vread

COMPARTMENTS = tuple(sorted(compartments()))
INTERACTIONS = (
    Interaction("capabilities", "GET", "/metadata", capabilities, parameters=("mode",), public=True),
    Interaction("read", "GET", "/{type}/{id}", read, "r", parameters=SUBSET, conditional=True),
    Interaction("vread", "GET", "/{type}/{id}/_history/{vid}", vread, "r", parameters=SUBSET),
    Interaction("update", "PUT", "/{type}/{id}", update, "u", content="resource"),
    Interaction("update", "PUT", "/{type}", update, "u", parameters=None, content="resource", conditional=True),
    Interaction("patch", "PATCH", "/{type}/{id}", patch, "u", content="patch"),
    Interaction("patch", "PATCH", "/{type}", patch, "u", parameters=None, content="patch", conditional=True),
    Interaction("delete", "DELETE", "/{type}/{id}", delete, "d"),
    Interaction("delete", "DELETE", "/{type}", delete, "d", parameters=None, conditional=True),
    Interaction("create", "POST", "/{type}", create, "c", parameters=None, content="resource", conditional=True),
    Interaction("search-type", "GET", "/{type}", search, "s", parameters=None),
    Interaction("search-type", "POST", "/{type}/_search", search, "s", parameters=None, content="form"),
    Interaction("search-system", "GET", "/", search, parameters=None),
    Interaction("search-system", "POST", "/_search", search, parameters=None, content="form"),
    *(
        Interaction("search-compartment", method, path, search, "s", None, content, types=COMPARTMENTS)
        for method, path, content in (
            ("GET", "/{type}/{id}/{member}", ""),
            ("POST", "/{type}/{id}/{member}/_search", "form"),
            ("POST", "/{type}/{id}/_search", "form"),
        )
    ),
    Interaction("history-instance", "GET", "/{type}/{id}/_history", history, "r", parameters=HISTORY),
    Interaction("history-type", "GET", "/{type}/_history", history, "s", parameters=HISTORIES),
    Interaction("history-system", "GET", "/_history", history, parameters=HISTORIES),
    Interaction("transaction", "POST", "/", bundle, content="resource", returns="minimal"),
    Interaction("batch", "POST", "/", bundle, content="resource", returns="minimal"),
)
