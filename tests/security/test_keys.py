"""Keys are made once, kept private, and can be replaced while tokens signed by the old one still run."""

import base64
import json
import stat
import threading
from pathlib import Path

import pytest
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from fhir_lab.security.keys import KeyRing
from fhir_lab.settings import Settings


def _settings(folder: Path, secret: str = "") -> Settings:
    return Settings(_env_file=None, var=folder / "var", secret_key=secret)


def test_processes_that_start_together_share_one_key_and_one_secret(tmp_path: Path) -> None:
    rings: list[KeyRing] = []
    start = threading.Barrier(6)

    def process() -> None:
        start.wait()
        rings.append(KeyRing.open(_settings(tmp_path)))

    threads = [threading.Thread(target=process) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({ring.secret for ring in rings}) == 1
    assert len({json.dumps(ring.public_jwks()) for ring in rings}) == 1
    assert len(rings) == 6
    assert sorted(path.name for path in (tmp_path / "var").rglob("*") if path.is_file()) == [
        "secret.key",
        "signing-1.json",
    ]


def test_only_the_owner_may_read_key_and_secret(tmp_path: Path) -> None:
    KeyRing.open(_settings(tmp_path))
    files = [tmp_path / "var" / "secret.key", tmp_path / "var" / "keys" / "signing-1.json"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert stat.S_IMODE((tmp_path / "var" / "keys").stat().st_mode) == 0o700


def test_the_published_key_set_has_no_private_member(tmp_path: Path) -> None:
    (key,) = KeyRing.open(_settings(tmp_path)).public_jwks()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")


def test_the_key_id_in_the_header_is_the_one_published(tmp_path: Path) -> None:
    ring = KeyRing.open(_settings(tmp_path))
    header = json.loads(base64.urlsafe_b64decode(ring.sign_jwt({"sub": "anna"}, "at+jwt").split(".")[0] + "=="))
    assert header == {"alg": "RS256", "typ": "at+jwt", "kid": ring.public_jwks()["keys"][0]["kid"]}


def test_a_newer_key_signs_and_the_older_still_verifies(tmp_path: Path) -> None:
    old = KeyRing.open(_settings(tmp_path))
    token = old.sign_jwt({"sub": "anna"}, "at+jwt")
    new_key = RSAKey.generate_key(2048)
    (tmp_path / "var" / "keys" / "signing-10.json").write_text(json.dumps(new_key.as_dict(private=True)))
    ring = KeyRing.open(_settings(tmp_path))
    assert ring.verify_jwt(token, "at+jwt") == {"sub": "anna"}
    assert [key["kid"] for key in ring.public_jwks()["keys"]] == [
        new_key.thumbprint(),
        old.public_jwks()["keys"][0]["kid"],
    ]
    with pytest.raises(JoseError):
        old.verify_jwt(ring.sign_jwt({"sub": "anna"}, "at+jwt"), "at+jwt")


def test_a_jwt_of_another_kind_is_not_an_access_token(tmp_path: Path) -> None:
    ring = KeyRing.open(_settings(tmp_path))
    with pytest.raises(JoseError):
        ring.verify_jwt(ring.sign_jwt({"sub": "anna"}, "JWT"), "at+jwt")


def test_the_secret_is_the_setting_when_there_is_one(tmp_path: Path) -> None:
    assert KeyRing.open(_settings(tmp_path, "a secret of two machines")).secret == b"a secret of two machines"
    assert not (tmp_path / "var" / "secret.key").exists()


def test_a_short_secret_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FHIR_LAB_SECRET_KEY has 6 bytes; it needs at least 16"):
        KeyRing.open(_settings(tmp_path, "secret"))
