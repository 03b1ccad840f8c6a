"""JSON Patch: a list of operations on places that JSON pointers name. https://www.rfc-editor.org/rfc/rfc6902

https://hl7.org/fhir/R4/http.html#patch
"""

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException
from jsonpointer import JsonPointer, JsonPointerException

from fhir_lab.documents import Resource, deeper_than, dumps
from fhir_lab.outcomes import BadRequest, Unprocessable, nearest

# The members each operation needs beside `op` and `path`; others are ignored, as the RFC asks.
MEMBERS = {"add": "value", "remove": "", "replace": "value", "move": "from", "copy": "from", "test": "value"}


def json_patch(body: Any, max_depth: int, max_bytes: int) -> Callable[[Resource], Resource]:
    """The patch that does these operations one after the other, all or none.

    What `copy` and `move` carry adds up to `max_bytes` at most, and nothing nests deeper than `max_depth`. Raises
    `BadRequest` for a body that is no JSON Patch, naming the operation as `http.body[n]`.
    """
    if not isinstance(body, list):
        raise BadRequest.of("A JSON Patch is an array of operations.", "http.body", code="structure")
    for index, operation in enumerate(body):
        _check(operation, f"http.body[{index}]")

    def change(document: Resource) -> Resource:
        changing = _Changing(copy.deepcopy(document), max_depth, max_bytes)
        for index, operation in enumerate(body):
            changing.apply(operation, f"http.body[{index}]")
        return changing.document

    return change


def _check(operation: Any, where: str) -> None:
    if not isinstance(operation, dict):
        raise BadRequest.of("An operation is an object such as {op, path, value}.", where, code="structure")
    name = operation.get("op")
    if not isinstance(name, str) or name not in MEMBERS:
        found = f"'{name[:40]}'" if isinstance(name, str) else "missing or not a string"
        close = nearest(name, MEMBERS) if isinstance(name, str) else ""
        raise BadRequest.of(f"op is {found}; allowed: {', '.join(MEMBERS)}.{close}", f"{where}.op", code="value")
    for member in filter(None, ("path", MEMBERS[name])):
        if member not in operation:
            raise BadRequest.of(f"'{name}' needs a '{member}'.", f"{where}.{member}", code="required")
        if member != "value":
            _check_pointer(operation[member], f"{where}.{member}")


def _check_pointer(pointer: Any, where: str) -> None:
    try:
        if not isinstance(pointer, str):
            raise JsonPointerException("not a string")
        JsonPointer(pointer)
    except JsonPointerException:
        found = f"'{pointer[:100]}'" if isinstance(pointer, str) else "this"
        raise BadRequest.of(
            f"{found} is not a JSON pointer such as /name/0/family ('~' is written ~0, '/' in a name ~1).",
            where,
            code="value",
        ) from None


class _Changing:
    """A document in the middle of a patch."""

    def __init__(self, document: Resource, max_depth: int, max_bytes: int) -> None:
        self.document = document
        self._max_depth = max_depth
        self._bytes_left = max_bytes

    def apply(self, operation: dict[str, Any], where: str) -> None:
        """Do one operation. Raises `Unprocessable`."""
        name, path = operation["op"], operation["path"]
        if name == "test":
            self._test(path, operation["value"], where)
            return
        if name in ("move", "copy"):
            self._weigh(self._found(operation["from"], f"{where}.from"), path, where)
            if name == "move" and path.startswith(f"{operation['from']}/"):
                raise Unprocessable.of("Nothing can be moved into itself.", f"{where}.path")
        if name in ("remove", "replace"):
            self._found(path, f"{where}.path")
        if "value" in operation:
            self._refuse_deep(operation["value"], path, where)
            # A later operation may change what this one adds, and the patch may run again.
            operation = operation | {"value": copy.deepcopy(operation["value"])}
        try:
            changed = JsonPatch([operation]).apply(self.document, in_place=True)
        except (JsonPatchException, JsonPointerException):
            raise Unprocessable.of(f"'{path[:100]}' cannot be added to: {_missing(path)}", f"{where}.path") from None
        if not isinstance(changed, dict):
            raise Unprocessable.of("The whole document can only be replaced by an object.", f"{where}.value")
        self.document = changed

    def _found(self, pointer: str, where: str) -> Any:
        try:
            if pointer.endswith("/-"):
                raise JsonPointerException("behind the last item")
            return JsonPointer(pointer).resolve(self.document)
        except JsonPointerException:
            raise Unprocessable.of(f"There is nothing at '{pointer[:100]}'.", where, code="not-found") from None

    def _test(self, path: str, value: Any, where: str) -> None:
        if not _same(self._found(path, f"{where}.path"), value):
            raise Unprocessable.of(
                f"The test failed: '{path[:100]}' has another value. Nothing was changed.", where, code="conflict"
            )

    def _weigh(self, value: Any, path: str, where: str) -> None:
        self._refuse_deep(value, path, where)
        self._bytes_left -= len(dumps(value))
        if self._bytes_left < 0:
            raise Unprocessable.of("The patch copies more than a request may hold.", where, code="too-long")

    def _refuse_deep(self, value: Any, path: str, where: str) -> None:
        if deeper_than(value, self._max_depth - path.count("/")):
            raise Unprocessable.of(f"The result is nested deeper than {self._max_depth} levels.", where)


def _missing(path: str) -> str:
    parent = path.rpartition("/")[0][:100]
    return f"'{parent}' is no object, or no array of that length." if parent else "it is no element of the resource."


def _same(found: Any, value: Any) -> bool:
    """Equal as the RFC says: numbers by value, and never a number with a boolean."""
    if isinstance(found, dict) and isinstance(value, dict):
        return found.keys() == value.keys() and all(_same(found[name], value[name]) for name in found)
    if isinstance(found, list) and isinstance(value, list):
        return len(found) == len(value) and all(map(_same, found, value))
    numbers = all(isinstance(each, int | Decimal) and not isinstance(each, bool) for each in (found, value))
    return bool(found == value) and (numbers or type(found) is type(value))
