"""A laboratory as its clients meet it: `fhir-lab serve` as a process, with the sample data, on a real port."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from fhir_lab.sandbox import samples
from fhir_lab.security.access import system
from fhir_lab.security.tokens import issue
from fhir_lab.services import Services
from fhir_lab.settings import Settings
from fhir_lab.storage import schema
from tests.support.commands import running, until
from tests.support.private_servers import free_port


@dataclass(frozen=True)
class Laboratory:
    """Where it is, and what a caller needs. It lasts as long as the tests of a database: what they write, they name."""

    url: str
    token: str
    narrow: str
    """A token that reads and searches Observations, and nothing else."""

    @property
    def base(self) -> str:
        """The FHIR base."""
        return f"{self.url}/fhir/R4"

    @property
    def authorization(self) -> str:
        """The value of an Authorization header that allows everything."""
        return f"Bearer {self.token}"

    def ask(self, method: str, path: str, *, timeout: float = 60, **options: object) -> httpx.Response:
        """One request below the base, or to a link, with the token; `options` are those of httpx."""
        headers = {"Authorization": self.authorization} | dict(options.pop("headers", {}))  # type: ignore[call-overload]
        url = path if path.startswith("http") else f"{self.base}/{path}"
        return httpx.request(method, url, headers=headers, timeout=timeout, **options)  # type: ignore[arg-type]


@contextmanager
def serving_laboratory(folder: Path, database_url: str) -> Iterator[Laboratory]:
    """A running server on this database, the sample data loaded, until the block ends."""
    port = free_port()
    named = {
        "FHIR_LAB_DATABASE_URL": database_url,
        "FHIR_LAB_VAR": str(folder / "var"),
        "FHIR_LAB_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "FHIR_LAB_SECRET_KEY": "test-secret-test-secret-test-secret",
    }
    plain = {name.removeprefix("FHIR_LAB_").lower(): value for name, value in named.items()}
    services = Services(Settings(_env_file=None, **plain))  # type: ignore[arg-type]
    try:
        schema.upgrade(services.database)
        samples.load(services, system("samples", "samples"))
        tokens = [issue(services, subject="client", scopes=each) for each in ("system/*.cruds", "user/Observation.rs")]
    finally:
        services.close()
    command = ("fhir-lab", "serve", "--all-in-one", "--port", str(port))
    with running(*command, folder=folder, settings=named, name="serve"):
        found = Laboratory(named["FHIR_LAB_PUBLIC_URL"], *tokens)
        until(lambda: _ready(found.url), "the server's readiness", 60)
        yield found


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
