"""Many resources by their identifiers at once, for who writes what a message names.

A message names some thirty resources. Asking for them one by one, or through search, costs more than writing them.
"""

import json
from collections.abc import Mapping

from sqlalchemy import text

from fhir_lab.search.values import key
from fhir_lab.storage.coming import Condition
from fhir_lab.storage.conditions import lock
from fhir_lab.storage.unit import Unit

Identifier = tuple[str, str, str]  # resource type, system, value

_FIND = (
    "SELECT wanted.key, resource.id, resource.content FROM {wanted} "
    "JOIN idx_token ON idx_token.param = {param} AND idx_token.code = {code} AND idx_token.system = {system} "
    "JOIN resource ON resource.pk = idx_token.pk ORDER BY resource.pk"
)
_POSTGRESQL = text(
    _FIND.format(
        wanted="json_to_recordset(CAST(:wanted AS json)) AS wanted(key int, param int, system text, code text)",
        param="wanted.param",
        code="wanted.code",
        system="wanted.system",
    )
)
_SQLITE = text(
    _FIND.format(
        wanted="json_each(:wanted) AS wanted",
        param="json_extract(wanted.value, '$.param')",
        code="json_extract(wanted.value, '$.code')",
        system="json_extract(wanted.value, '$.system')",
    )
)


def identified(unit: Unit, wanted: Mapping[Identifier, Condition]) -> dict[Identifier, list[str]]:
    """The JSON texts of the current resources that have each identifier, in order of creation.

    Each identifier comes with the condition under which it would be created. These are locked until the transaction
    ends, so nobody else creates what is not there, and need not be asked again. For callers that may read everything.
    """
    lock(unit, wanted.values())
    found: dict[Identifier, dict[str, str]] = {one: {} for one in wanted}
    keys = list(wanted)
    rows = []
    for number, (resource_type, system, value) in enumerate(keys):
        parameter = unit.services.registry.get(resource_type, "identifier")
        if parameter is not None and "\0" not in system + value:  # which no text in the database holds
            rows.append({"key": number, "param": parameter.id, "system": key(system), "code": key(value)})
    statement = _POSTGRESQL if unit.connection.dialect.name == "postgresql" else _SQLITE
    for number, resource_id, content in unit.connection.execute(statement, {"wanted": json.dumps(rows)}):
        found[keys[number]][resource_id] = content
    unit.matched.update({condition: list(found[one])[:2] for one, condition in wanted.items()})
    return {one: list(documents.values()) for one, documents in found.items()}
