"""SearchParameter resources for tests, and the rebuild that makes them usable."""

import uuid
from typing import Any

from fhir_lab.security.access import system
from fhir_lab.services import Services
from fhir_lab.storage.reindex import Scope, begin, purge, step
from fhir_lab.storage.unit import Unit

Json = dict[str, Any]
URL = "http://lab.example.org/SearchParameter/"
RACE = "http://lab.example.org/StructureDefinition/race"


def parameter(code: str, kind: str, expression: str, base: str = "Patient", **more: Any) -> Json:
    """A SearchParameter; its id is the code."""
    return {
        "resourceType": "SearchParameter",
        "id": code,
        "url": URL + code,
        "name": code.replace("-", "_"),
        "status": "active",
        "description": "A parameter of this laboratory.",
        "code": code,
        "base": [base],
        "type": kind,
        "expression": expression,
    } | more


def rebuild(
    services: Services, url: str = "", resource_type: str = "", *, steps: int | None = None, limit: int = 2
) -> int:
    """What `fhir-lab reindex` does, in steps of `limit`; stopped after some `steps`. How many resources were done."""
    scope = Scope(resource_type, url)
    who = system(uuid.uuid4().hex, "test")
    at = services.database.transact(lambda connection: begin(Unit(connection, who, services), scope))
    done = at.done
    while steps is None or steps > 0:
        following = services.database.transact(lambda connection: step(Unit(connection, who, services), scope, limit))
        if following is None:
            break
        done, steps = following.done, None if steps is None else steps - 1
    if steps is None:
        while services.database.transact(lambda connection: purge(Unit(connection, who, services))):
            pass
    return done
