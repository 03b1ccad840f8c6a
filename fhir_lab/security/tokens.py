"""Access tokens: signed JWTs that say who asks, through which client, with which scopes, until when.

https://www.rfc-editor.org/rfc/rfc9068 (JWT access tokens), https://www.rfc-editor.org/rfc/rfc6750 (bearer tokens)
"""

import hashlib
import re
import threading
import uuid
from collections import OrderedDict
from typing import Any

from joserfc.errors import (
    BadSignatureError,
    InvalidHeaderValueError,
    InvalidKeyIdError,
    JoseError,
    UnsupportedAlgorithmError,
)

from fhir_lab.outcomes import Unauthorized
from fhir_lab.security.access import Caller
from fhir_lab.security.keys import ALGORITHM
from fhir_lab.security.scopes import parse_scopes
from fhir_lab.services import Services
from fhir_lab.settings import FHIR_PATH, Settings

TYPE = "at+jwt"
DEFAULT_CLIENT = "fhir-lab"
REALM = 'Bearer realm="FHIR Lab"'


class VerifiedTokens:
    """Callers of tokens that were verified less than a minute ago, so that a busy client costs one verification.

    Bounded, least recently used first out; keyed by hash, so that no usable token stays in memory.
    """

    def __init__(self, size: int = 2000, seconds: int = 60) -> None:
        self._size = size
        self._keep = seconds * 1_000_000
        self._entries: OrderedDict[bytes, tuple[int, int, Caller]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes, now: int) -> Caller | None:
        """The caller of a token remembered at most a minute before `now` (microseconds UTC) and not expired since."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            since, until, caller = entry
            if since <= now < until:
                self._entries.move_to_end(key)
                return caller
            del self._entries[key]
            return None

    def put(self, key: bytes, now: int, expires: int, caller: Caller) -> None:
        """Remember a caller until the token expires, and at most a minute (both times in microseconds UTC)."""
        with self._lock:
            self._entries[key] = (now, min(expires, now + self._keep), caller)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)


def issue(
    services: Services,
    *,
    subject: str,
    scopes: str,
    client: str = DEFAULT_CLIENT,
    patient: str | None = None,
    fhir_user: str | None = None,
    ttl: int | None = None,
) -> str:
    """A signed access token for this FHIR server.

    `scopes` is a space-separated `scope` value, granted as it stands; `patient` the id of the launch patient;
    `fhir_user` a reference such as `Practitioner/7`; `ttl` seconds, by default `settings.token_ttl`.
    """
    now = services.clock.now() // 1_000_000
    claims: dict[str, Any] = {
        "iss": services.settings.public_url,
        "aud": services.settings.fhir_base,
        "sub": subject,
        "client_id": client,
        "scope": scopes,
        "iat": now,
        "exp": now + (services.settings.token_ttl if ttl is None else ttl),
        "jti": uuid.uuid4().hex,
    }
    if patient is not None:
        claims["patient"] = patient
    if fhir_user is not None:
        claims["fhirUser"] = fhir_user
    return services.keys.sign_jwt(claims, TYPE)


def authenticate(services: Services, token: str, request_id: str) -> Caller:
    """The caller that a bearer token speaks for. Raises `Unauthorized` saying what is wrong with the token."""
    now = services.clock.now()
    key = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    known = services.verified_tokens.get(key, now)
    if known is None:
        claims = _verified(services, token, now)
        known = _caller(claims)
        services.verified_tokens.put(key, now, claims["exp"] * 1_000_000, known)
    return Caller(known.subject, known.client, known.scopes, request_id, known.patient, known.fhir_user)


def missing_token() -> Unauthorized:
    """The answer to a request that came without a token; RFC 6750 wants no error code then."""
    return Unauthorized.of(
        "A bearer access token is needed: Authorization: Bearer <token>.",
        "http.Authorization",
        headers={"WWW-Authenticate": REALM},
    )


def invalid_token(reason: str, code: str = "login") -> Unauthorized:
    """The answer to a token that is not valid; `reason` is plain ASCII without quotes, as the header wants it."""
    header = f'{REALM}, error="invalid_token", error_description="{reason}"'
    return Unauthorized.of(reason, "http.Authorization", code=code, headers={"WWW-Authenticate": header})


def _verified(services: Services, token: str, now: int) -> dict[str, Any]:
    try:
        claims = services.keys.verify_jwt(token, TYPE)
    except (JoseError, ValueError, TypeError) as error:
        raise invalid_token(_REASONS.get(type(error), "The access token is not a signed JWT.")) from None
    if not isinstance(claims.get("exp"), int) or not all(isinstance(claims.get(name), str) for name in _TEXTS):
        raise invalid_token("The access token lacks a claim that this server needs.")
    if not _is_this_server(services.settings, claims["iss"], ""):
        raise invalid_token("The access token was issued by another server.")
    if not any(_is_this_server(services.settings, url, FHIR_PATH) for url in _audiences(claims.get("aud"))):
        raise invalid_token("The access token is meant for another server.")
    if claims["exp"] * 1_000_000 <= now:
        raise invalid_token("The access token has expired.", code="expired")
    return claims


def _is_this_server(settings: Settings, url: object, path: str) -> bool:
    """True for this server's own URL, and, while none is chosen, for any port of this machine.

    The signature proves that a key of this installation made the token, whatever port it listened on then.
    """
    if url == settings.public_url + path:
        return True
    return (
        not settings.url_is_chosen and isinstance(url, str) and _LOOPBACK.fullmatch(url.removesuffix(path)) is not None
    )


_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?")
_TEXTS = ("iss", "sub", "client_id", "scope")
_REASONS: dict[type[Exception], str] = {
    BadSignatureError: "The signature of the access token does not match: it was changed, or signed by another server.",
    InvalidHeaderValueError: f"The header of the access token is not the one of an access token (typ {TYPE}).",
    InvalidKeyIdError: "The access token is signed with a key that this server does not have.",
    UnsupportedAlgorithmError: f"The access token is not signed with {ALGORITHM}.",
}


def _audiences(claim: object) -> tuple[object, ...]:
    return tuple(claim) if isinstance(claim, list) else (claim,)


def _caller(claims: dict[str, Any]) -> Caller:
    return Caller(
        subject=claims["sub"],
        client=claims["client_id"],
        scopes=parse_scopes(claims["scope"]),
        request_id="",
        patient=claims.get("patient"),
        fhir_user=claims.get("fhirUser"),
    )
