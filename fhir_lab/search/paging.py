"""Page links: the whole state of a search in its own query string, sealed in `_page`.

A link is the client's parameters and `_page`, so that it works against `[base]/[type]?` even when a client keeps only
the query string. The token is encrypted and authenticated: it holds sort values, which may be names, and must not be
made up. It is bound to the type, the parameters and the caller. https://hl7.org/fhir/R4/http.html#paging
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_lab.outcomes import BadRequest
from fhir_lab.search.tree import Query
from fhir_lab.storage.marks import Mark
from fhir_lab.storage.unit import Unit

NONCE = 12


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: after the row with these sort values (the last is its pk), or before it when `backwards`.

    `total` is what the first page counted, None where it did not know; `mark` is what the first page could see.
    """

    values: tuple[Any, ...]
    backwards: bool
    total: int | None
    mark: Mark


def link(query: Query, token: str | None) -> str:
    """The query string of a page: the parameters that had an effect, and its token."""
    return urlencode([*query.used, ("_page", token)] if token else query.used)


def seal(unit: Unit, query: Query, position: Position) -> str:
    """The position as a token for `_page`."""
    mark = position.mark
    state = [list(position.values), position.backwards, position.total, [mark.seq, mark.pk, *mark.running]]
    text = json.dumps(state, separators=(",", ":"))
    nonce = secrets.token_bytes(NONCE)
    sealed = _cipher(unit).encrypt(nonce, text.encode(), _bound(unit, query))
    return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()


def unseal(unit: Unit, query: Query, keys: int) -> Position | None:
    """The position that `_page` names, None on the first page; `keys` is how many values it must have.

    Raises `BadRequest` for a token that this server did not give for this very search and caller.
    """
    if not query.page:
        return None
    try:
        raw = base64.urlsafe_b64decode(query.page.encode("ascii") + b"=" * (-len(query.page) % 4))
        text = _cipher(unit).decrypt(raw[:NONCE], raw[NONCE:], _bound(unit, query))
        values, backwards, total, (seq, pk, *running) = json.loads(text)
    except (ValueError, InvalidTag):
        raise _refused() from None
    if len(values) != keys:
        raise _refused()
    return Position(tuple(values), backwards, total, Mark(seq, pk, tuple(running)))


def _refused() -> BadRequest:
    return BadRequest.of(
        "This page link was changed, belongs to another search or user, or is too old. Start from the first page.",
        "http._page",
    )


def _cipher(unit: Unit) -> AESGCM:
    return AESGCM(hashlib.sha256(b"search page links\0" + unit.services.keys.secret).digest())


def _bound(unit: Unit, query: Query) -> bytes:
    caller = unit.caller
    return json.dumps(
        [query.place or query.type, sorted(query.used), caller.subject, caller.client, caller.patient]
    ).encode()
