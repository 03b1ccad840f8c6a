"""Behind a proxy: links start with the URL the client used, if a trusted proxy tells of it, and with no other."""

from collections.abc import Iterator

import httpx
import pytest
from pydantic import ValidationError

from fhir_lab.http.forwarded import forwarded_base
from fhir_lab.security.tokens import issue
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from tests.interactions.test_batch import batch, entry
from tests.interactions.test_transaction import transaction
from tests.support.api import Api, links, observation, patient
from tests.support.server import serving

PROXY, OUTER, STRANGER = "10.0.0.1", "10.0.0.2", "203.0.113.9"
FORWARDED = {"Forwarded": "for=203.0.113.9;host=fhir.example;proto=https"}


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None, public_url="http://inside:8000/lab", trusted_proxies=("10.0.0.0/8", "::1"))


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"forwarded": "for=203.0.113.9;host=fhir.example;proto=https"}, "https://fhir.example/lab/fhir/R4"),
        ({"forwarded": 'Host="fhir.example:8443" ; Proto=HTTPS'}, "https://fhir.example:8443/lab/fhir/R4"),
        ({"forwarded": 'host="[2001:db8::1]:8443"'}, "http://[2001:db8::1]:8443/lab/fhir/R4"),
        ({"forwarded": "proto=https", "host": "fhir.example"}, "https://fhir.example/lab/fhir/R4"),
        ({"forwarded": "for=unknown", "host": "fhir.example"}, "http://fhir.example/lab/fhir/R4"),
        ({"forwarded": 'for="a,b;host=no";host=fhir.example'}, "http://fhir.example/lab/fhir/R4"),
        # A client says what it likes before the proxy adds its part.
        ({"forwarded": "host=evil.example, for=203.0.113.9;host=fhir.example"}, "http://fhir.example/lab/fhir/R4"),
        # Two proxies: the outer one talked to the client.
        (
            {"forwarded": f"for={STRANGER};host=fhir.example;proto=https, for={OUTER};host=inner"},
            "https://fhir.example/lab/fhir/R4",
        ),
        (
            {"forwarded": f'host=evil, for={STRANGER};host=fhir.example, for="{OUTER}:4711";host=inner'},
            "http://fhir.example/lab/fhir/R4",
        ),
        ({"x-forwarded-proto": "https", "host": "fhir.example"}, "https://fhir.example/lab/fhir/R4"),
        ({"x-forwarded-host": "fhir.example:8080", "host": "inner"}, "http://fhir.example:8080/lab/fhir/R4"),
        (
            {"x-forwarded-host": "evil.example, fhir.example", "x-forwarded-proto": "http, https"},
            "https://fhir.example/lab/fhir/R4",
        ),
        ({"forwarded": "host=a.example", "x-forwarded-host": "b.example"}, "http://a.example/lab/fhir/R4"),
        ({"host": "fhir.example"}, ""),
        ({"forwarded": "host=fhir.example;proto=gopher"}, ""),
        ({"forwarded": "host=fhir.example/evil"}, ""),
        ({"forwarded": 'host="fhir.example\\"><script>"'}, ""),
        ({"forwarded": 'host="'}, ""),
        ({"x-forwarded-host": "user@fhir.example"}, ""),
        ({"x-forwarded-host": ""}, ""),
    ],
)
def test_what_a_trusted_proxy_says(settings: Settings, headers: dict[str, str], base: str) -> None:
    assert forwarded_base(settings, PROXY, "http", headers) == base


@pytest.mark.parametrize("peer", [STRANGER, "", "unix:", "::2", "testclient"])
def test_nobody_else_is_believed(settings: Settings, peer: str) -> None:
    assert forwarded_base(settings, peer, "http", {"forwarded": "host=evil.example"}) == ""


def test_the_connection_tells_what_the_proxy_leaves_out(settings: Settings) -> None:
    assert forwarded_base(settings, "::1", "https", {"forwarded": "host=a.example"}) == "https://a.example/lab/fhir/R4"


def test_by_default_no_proxy_is_trusted() -> None:
    assert Settings(_env_file=None).trusted_proxies == ()
    with pytest.raises(ValidationError, match="no address or range"):
        Settings(_env_file=None, trusted_proxies=("proxy.example",))


@pytest.fixture
def api(services: Services) -> Iterator[Api]:
    """The app behind a proxy on 127.0.0.1."""
    services.settings = services.settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    api = Api(services)
    yield api
    api.close()


def test_every_link_of_an_answer_starts_with_the_url_of_the_client(api: Api) -> None:
    base = "https://fhir.example/fhir/R4"
    made = api.put("/Patient/a", patient("a"), **FORWARDED)
    assert made.headers["location"] == f"{base}/Patient/a/_history/1"
    api.put("/Patient/b", patient("b"))
    page = api.get("/Patient?_count=1", **FORWARDED).json()
    assert {link.split("?")[0] for link in links(page).values()} == {f"{base}/Patient"}
    assert page["entry"][0]["fullUrl"].startswith(f"{base}/Patient/")
    following = links(page)["next"].replace("https://fhir.example", "http://127.0.0.1:8000")
    assert api.get(following, **FORWARDED).json()["entry"][0]["fullUrl"].startswith(f"{base}/Patient/")
    history = api.get("/Patient/a/_history", **FORWARDED).json()
    assert (links(history)["self"], history["entry"][0]["fullUrl"]) == (
        f"{base}/Patient/a/_history",
        f"{base}/Patient/a",
    )
    answered = api.post(
        "", batch(entry("GET", f"{base}/Patient?_id=a"), entry("POST", "Patient", patient())), **FORWARDED
    )
    searched, created = answered.json()["entry"]
    assert searched["resource"]["entry"][0]["fullUrl"] == f"{base}/Patient/a"
    assert created["response"]["location"].startswith(f"{base}/Patient/")
    statement = api.get("/metadata", **FORWARDED).json()
    assert (statement["url"], statement["implementation"]["url"]) == (f"{base}/metadata", base)
    assert api.get("/metadata").json()["implementation"]["url"] == api.services.settings.fhir_base


def test_references_by_that_url_lead_to_this_server(api: Api) -> None:
    base = "https://fhir.example/fhir/R4"
    api.put("/Patient/a", patient("a"))
    made = api.post("/Observation", observation(f"{base}/Patient/a"), **FORWARDED)
    assert (made.status_code, made.json()["subject"]) == (201, {"reference": "Patient/a"})
    assert api.get("/Observation?subject=Patient/a").json()["total"] == 1
    refused = api.post("/Observation", observation(f"{base}/Patient/none"), **FORWARDED)
    assert refused.status_code == 422
    bundle = transaction(
        entry("POST", "Observation", observation(f"{base}/Patient/7")) | {"fullUrl": f"{base}/Observation/8"},
        entry("POST", "Patient", patient()) | {"fullUrl": f"{base}/Patient/7"},
    )
    answered = api.post("", bundle, Prefer="return=representation", **FORWARDED).json()["entry"]
    assert answered[0]["resource"]["subject"] == {"reference": f"Patient/{answered[1]['resource']['id']}"}
    elsewhere = api.post("/Observation", observation("https://other.example/fhir/R4/Patient/7"), **FORWARDED)
    assert elsewhere.json()["subject"] == {"reference": "https://other.example/fhir/R4/Patient/7"}


@pytest.mark.parametrize(
    ("trusted", "start"), [(("127.0.0.1",), "https://fhir.example"), (("10.0.0.1",), "http://127")]
)
def test_a_server_believes_the_other_end_of_the_connection(
    sqlite_services: Services, trusted: tuple[str, ...], start: str
) -> None:
    services = sqlite_services
    services.settings = services.settings.model_copy(update={"trusted_proxies": trusted})
    token = issue(services, subject="tester", scopes="system/*.cruds")
    with serving(services) as url:
        headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "10.0.0.1", **FORWARDED}
        answered = httpx.put(f"{url}/fhir/R4/Patient/a", json=patient("a"), headers=headers)
        assert answered.headers["location"].startswith(start)
