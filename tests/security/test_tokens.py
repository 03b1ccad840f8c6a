"""A token speaks for its caller until it expires; anything else is refused with the reason."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from fhir_lab.outcomes import Unauthorized
from fhir_lab.security import tokens
from fhir_lab.security.access import Caller
from fhir_lab.security.scopes import Scope
from fhir_lab.services import Services

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def issued(sqlite_services: Services) -> tuple[Services, str]:
    sqlite_services.clock.set(START)
    return sqlite_services, tokens.issue(sqlite_services, subject="anna", scopes="user/Patient.rs")


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _decoded(part: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return value


def _refusal(services: Services, token: str) -> tuple[str, str]:
    with pytest.raises(Unauthorized) as refused:
        tokens.authenticate(services, token, "r1")
    (issue,) = refused.value.issues
    expected = f'Bearer realm="FHIR Lab", error="invalid_token", error_description="{issue.details}"'
    assert refused.value.headers == {"WWW-Authenticate": expected}
    return issue.code, issue.details


def test_the_claims_are_those_of_rfc_9068(issued: tuple[Services, str]) -> None:
    services, _ = issued
    token = tokens.issue(
        services, subject="p", scopes="patient/*.rs", client="app", patient="7", fhir_user="Patient/7", ttl=60
    )
    header, payload, _ = token.split(".")
    claims = _decoded(payload)
    assert _decoded(header)["typ"] == "at+jwt"
    assert len(claims.pop("jti")) == 32
    assert claims == {
        "iss": "http://127.0.0.1:8000",
        "aud": "http://127.0.0.1:8000/fhir/R4",
        "sub": "p",
        "client_id": "app",
        "scope": "patient/*.rs",
        "iat": int(START.timestamp()),
        "exp": int(START.timestamp()) + 60,
        "patient": "7",
        "fhirUser": "Patient/7",
    }


def test_a_token_gives_its_caller_back(issued: tuple[Services, str]) -> None:
    services, token = issued
    scopes = (Scope("user", "Patient", frozenset("rs")),)
    assert tokens.authenticate(services, token, "r1") == Caller("anna", "fhir-lab", scopes, "r1")
    assert tokens.authenticate(services, token, "r2") == Caller("anna", "fhir-lab", scopes, "r2")


def test_a_token_ends_when_it_expires_also_when_it_was_used_a_moment_before(issued: tuple[Services, str]) -> None:
    services, token = issued
    services.clock.set(START + timedelta(seconds=3599))
    tokens.authenticate(services, token, "r1")
    services.clock.advance(timedelta(seconds=1))
    assert _refusal(services, token) == ("expired", "The access token has expired.")


def test_a_token_that_was_changed_is_refused(issued: tuple[Services, str]) -> None:
    services, token = issued
    header, payload, signature = token.split(".")
    wider = _part({**_decoded(payload), "scope": "system/*.cruds"})
    reason = "The signature of the access token does not match: it was changed, or signed by another server."
    assert _refusal(services, f"{header}.{wider}.{signature}") == ("login", reason)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", "PS256"])
def test_another_algorithm_is_refused(issued: tuple[Services, str], algorithm: str) -> None:
    services, token = issued
    header, payload, signature = token.split(".")
    changed = f"{_part({**_decoded(header), 'alg': algorithm})}.{payload}.{'' if algorithm == 'none' else signature}"
    assert _refusal(services, changed) == ("login", "The access token is not signed with RS256.")


def test_a_public_key_used_as_an_hmac_secret_is_refused(issued: tuple[Services, str]) -> None:
    services, token = issued
    (key,) = services.keys.public_jwks()["keys"]
    secret = OctKey.import_key(base64.urlsafe_b64decode(key["n"] + "=="))
    header, payload, _ = token.split(".")
    forged = jwt.encode({**_decoded(header), "alg": "HS256"}, _decoded(payload), secret, algorithms=["HS256"])
    assert _refusal(services, forged) == ("login", "The access token is not signed with RS256.")


def test_a_key_of_somebody_else_is_refused_whatever_its_id(issued: tuple[Services, str]) -> None:
    services, token = issued
    header, payload, _ = token.split(".")
    stranger = RSAKey.generate_key(2048)
    same_kid = jwt.encode(_decoded(header), _decoded(payload), stranger, algorithms=["RS256"])
    other_kid = jwt.encode({**_decoded(header), "kid": "other"}, _decoded(payload), stranger, algorithms=["RS256"])
    assert "signature" in _refusal(services, same_kid)[1]
    assert _refusal(services, other_kid)[1] == "The access token is signed with a key that this server does not have."


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "http://other/fhir"}, "The access token is meant for another server."),
        ({"aud": None}, "The access token is meant for another server."),
        ({"aud": ["http://127.0.0.1:8000/fhir/R4/x"]}, "The access token is meant for another server."),
        ({"iss": "http://other"}, "The access token was issued by another server."),
        ({"exp": "soon"}, "The access token lacks a claim that this server needs."),
        ({"exp": None}, "The access token lacks a claim that this server needs."),
        ({"scope": ["user/*.rs"]}, "The access token lacks a claim that this server needs."),
        ({"sub": None}, "The access token lacks a claim that this server needs."),
    ],
)
def test_a_wrong_claim_is_refused(issued: tuple[Services, str], changes: dict[str, Any], reason: str) -> None:
    services, token = issued
    claims = _decoded(token.split(".")[1]) | changes
    assert _refusal(services, services.keys.sign_jwt(claims, tokens.TYPE)) == ("login", reason)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "....", "é", "\udcff", "\0.\0.\0", "x" * 200_000, "a.b.c.d.e"])
def test_what_is_no_jwt_is_refused(issued: tuple[Services, str], token: str) -> None:
    assert _refusal(issued[0], token) == ("login", "The access token is not a signed JWT.")


def test_without_a_token_the_answer_has_no_error_code() -> None:
    assert tokens.missing_token().headers == {"WWW-Authenticate": 'Bearer realm="FHIR Lab"'}


def test_remembered_tokens_are_bounded_and_forgotten_after_a_minute() -> None:
    cache = tokens.VerifiedTokens(size=2, seconds=60)
    caller = Caller("anna", "app", (), "")
    minute, hour = 60_000_000, 3_600_000_000
    cache.put(b"1", 0, hour, caller)
    cache.put(b"2", 0, hour, caller)
    assert cache.get(b"1", 1) is caller
    cache.put(b"3", 0, 10, caller)
    assert [cache.get(key, 9) for key in (b"1", b"2", b"3")] == [caller, None, caller]
    assert cache.get(b"3", 10) is None
    assert cache.get(b"1", minute - 1) is caller
    assert cache.get(b"1", minute) is None


def test_a_token_used_again_costs_a_fraction_of_its_verification(issued: tuple[Services, str]) -> None:
    services, token = issued
    tokens.authenticate(services, token, "r1")
    started = time.process_time()
    for _ in range(1000):
        tokens.authenticate(services, token, "r1")
    assert (time.process_time() - started) / 1000 < 0.000_040
