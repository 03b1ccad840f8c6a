"""$meta, $meta-add, $meta-delete: the profiles, tags and security labels of a resource, and of what can be read.

https://hl7.org/fhir/R4/resource-operation-meta.html

Adding and deleting make a new version that differs in its meta alone, so that history, audit and subscribers know of
it as of any other change. One that changes nothing makes none.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from fhir_lab.documents import Resource, parse
from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.operation import ANY, HL7, Operation, Parameter
from fhir_lab.operations.arguments import Arguments
from fhir_lab.operations.results import parameters, part
from fhir_lab.search.labels import labels_in_use
from fhir_lab.storage import repository
from fhir_lab.storage.transaction import Entry, apply
from fhir_lab.storage.unit import Unit

Json = dict[str, Any]
LISTS = ("profile", "security", "tag")
Change = Callable[[list[Any], list[Any]], list[Any]]


def meta(request: Request) -> Response:
    """200 with `return`: the Meta of the resource, or every label in use among what the caller may read.

    Raises `NotFound`, `Gone` and `Forbidden`.
    """
    Arguments.of(request)
    with request.reading() as unit:
        if request.id:
            found = _meta_of(repository.read(unit, request.type, request.id).content)
        else:
            found = labels_in_use(unit, [request.type] if request.type else unit.services.registry.types)
    return parameters(part("return", "Meta", found))


def meta_add(request: Request) -> Response:
    """200 with `return`: the Meta after the labels given were added. Raises what a write raises."""
    return _changed(request, lambda old, given: [*old, *(each for each in given if _key(each) not in _keys(old))])


def meta_delete(request: Request) -> Response:
    """200 with `return`: the Meta after the labels given were taken away. Raises what a write raises."""
    return _changed(request, lambda old, given: [each for each in old if _key(each) not in _keys(given)])


def _changed(request: Request, change: Change) -> Response:
    given: Json = Arguments.of(request).one("meta")

    def work(unit: Unit) -> Json:
        repository.read(unit, request.type, request.id)  # what is answered must be readable
        patched = partial(_with_labels, given=given, change=change)
        [written] = apply(unit, [Entry("PATCH", request.type, id=request.id, change=patched)])
        return _meta_of(written.content)

    return parameters(part("return", "Meta", request.writing(work)))


def _with_labels(resource: Resource, given: Json, change: Change) -> Resource:
    labels = {name: change(resource.get("meta", {}).get(name, []), given.get(name, [])) for name in LISTS}
    kept = {name: value for name, value in resource["meta"].items() if name not in LISTS}
    return {**resource, "meta": kept | {name: value for name, value in labels.items() if value}}


def _meta_of(content: str | None) -> Json:
    assert content is not None
    found: Json = parse(content)["meta"]
    return found


def _key(label: Any) -> Any:
    """What makes two labels the same: the URL of a profile, system and code of a Coding."""
    return label if isinstance(label, str) else (label.get("system"), label.get("code"))


def _keys(labels: list[Any]) -> set[Any]:
    return {_key(label) for label in labels}


_RETURN = Parameter("return", "Meta", "The profiles, tags and security labels.", min=1, use="out")
_META = Parameter("meta", "Meta", "The profiles, tags and security labels to add or take away.", min=1)

OPERATIONS = (
    Operation(
        "meta",
        meta,
        "Resource-meta",
        "Access a list of profiles tags and security labels",
        "The Meta of one resource; of a type or the whole system, every label in use among what the caller may read.",
        HL7 + "Resource-meta",
        system=True,
        on_type=ANY,
        on_instance=ANY,
        permission="r",
        parameters=(_RETURN,),
    ),
    Operation(
        "meta-add",
        meta_add,
        "Resource-meta-add",
        "Add profiles tags and security labels to a resource",
        "Adds the labels to the resource, as a new version that differs in its meta alone.",
        HL7 + "Resource-meta-add",
        on_instance=ANY,
        affects_state=True,
        permission="u",
        parameters=(_META, _RETURN),
    ),
    Operation(
        "meta-delete",
        meta_delete,
        "Resource-meta-delete",
        "Delete profiles tags and security labels for a resource",
        "Takes the labels away from the resource, as a new version that differs in its meta alone.",
        HL7 + "Resource-meta-delete",
        on_instance=ANY,
        affects_state=True,
        permission="u",
        parameters=(_META, _RETURN),
    ),
)
