"""The tables of FHIR 4.0.1 that the server runs on, as JSON with one entry per line, and their loaders.

They are facts made from the published definitions (https://hl7.org/fhir/R4/downloads.html) and never change while the
process runs, so each is read once. Callers must not modify what a loader returns.
"""

from functools import cache
from importlib import resources
from typing import Any

import orjson

Table = dict[str, Any]


def _load(name: str) -> Table:
    table: Table = orjson.loads(resources.files(__name__).joinpath(name).read_bytes())
    return table


@cache
def elements() -> Table:
    """Type name -> {kind, abstract, elements: {path: {card, types, required, ...}}}, for resources and datatypes.

    An entry of `types` is a name, or [name, [target types]] for Reference and canonical; `required` names the value set
    of a required binding; `sameAs` is the path whose content the element repeats.
    """
    return _load("elements.json")


@cache
def required_codes() -> Table:
    """Value set URL -> its [system, code] pairs, for the value sets of required bindings."""
    return _load("required-codes.json")


@cache
def invariants() -> Table:
    """Type name -> {path: [{key, severity, expression}]}."""
    return _load("invariants.json")


@cache
def invariant_notes() -> Table:
    """Key, or Type/key, of an invariant -> {says, expression, because}. `*-0` is the rule of every name.

    `says` is what it asks, in words; an invariant that is published wrong has the right expression, and why.
    """
    return _load("invariant-notes.json")


@cache
def compartments() -> Table:
    """Compartment name -> {resource type: [codes of the search parameters that link to it]}."""
    return _load("compartments.json")


@cache
def search_parameters() -> Table:
    """The search parameters: `types`, `common` (of every type) and `parameters` (of one type).

    The id of a parameter is stored with every index row and never changes: `parameters[].id`, or for a common parameter
    `types[resource type] + common[].id`.
    """
    return _load("search-parameters.json")


@cache
def units() -> Table:
    """UCUM code -> [factor, canonical unit], for the units laboratories use most."""
    return _load("units.json")


@cache
def terminology() -> Table:
    """The code lists of laboratories: `systems` (URL -> content and concepts) and `valueSets` (URL -> system).

    A concept is [display, parents, whether it is abstract], the last two left out where there are none.
    """
    return _load("terminology.json")


@cache
def _help() -> Table:
    return _load("search-help.json")


def search_help(resource_type: str, code: str) -> str | None:
    """A sentence for integrators on the search parameter `code` of a resource type, with an example; None if there is
    none.

    Result parameters (`_count`) and those of every type (`_id`) are found under any type.
    """
    found: str | None = _help().get(resource_type, {}).get(code) or _help()["common"].get(code)
    return found


@cache
def profiles() -> tuple[Table, ...]:
    """The StructureDefinitions of this laboratory's profiles, by file name."""
    files = sorted(resources.files(__name__).joinpath("profiles").iterdir(), key=lambda each: each.name)
    return tuple(orjson.loads(each.read_bytes()) for each in files if each.name.endswith(".json"))
