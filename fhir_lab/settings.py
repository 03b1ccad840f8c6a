"""Every setting of FHIR Lab, typed, each with its reason.

Values come from the environment (prefix ``FHIR_LAB_``) or from a ``.env`` file in the working directory.
"""

import json
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

FHIR_PATH = "/fhir/R4"
# In `var`: where `serve` or the demo listens, so that other commands make links and tokens for it.
ADDRESS_FILE = "address"


def _listed(value: object) -> object:
    """`a, b` from the environment as a list; a JSON list is taken as well."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else [part.strip() for part in value.split(",") if part]


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class Settings(BaseSettings):
    """The configuration of one installation. Immutable: pass it to `create_app` or `Services`."""

    model_config = SettingsConfigDict(env_prefix="FHIR_LAB_", env_file=".env", extra="ignore", frozen=True)

    var: Path = Field(Path("var"), description="Folder for everything the embedded mode writes: database, inbox, keys.")
    database_url: str = Field(
        "", description="SQLAlchemy URL. Empty: SQLite under `var`. Production: postgresql+psycopg://user:pass@host/db"
    )
    database_pool: int = Field(10, ge=1, description="Connections each process keeps open to PostgreSQL.")
    broker_url: str = Field(
        "memory://",
        description="Celery's broker. memory:// runs the worker inside the API process; else redis:// or amqp://",
    )
    redis_url: str = Field(
        "", description="Redis for locks and rate limits shared by several processes. Empty: in memory."
    )
    public_url: str = Field(
        "",
        validate_default=True,
        description="How clients reach this server: every absolute link starts with it. Empty: where it listens.",
    )
    trusted_proxies: Listed = Field(
        (),
        description="Addresses or CIDR ranges of proxies whose Forwarded and X-Forwarded-Proto/-Host headers say which "
        "URL the client used, parted by commas; links then start with it. Empty: nobody's are believed.",
    )
    secret_key: str = Field(
        "", description="Signs paging links. Empty: made once and kept in `var`. Several machines need the same one."
    )
    keys: Path | None = Field(None, description="Folder of the token signing keys. Empty: `keys` under `var`.")
    inbox: Path | None = Field(None, description="Folder where ORU files are dropped. Empty: `inbox` under `var`.")
    inbox_poll_seconds: float = Field(0.5, gt=0, description="How often the watcher looks at the inbox.")
    inbox_stable_seconds: float = Field(
        1.0, ge=0, description="A file is taken when its size and time have not changed for this long."
    )
    timezone: str = Field("UTC", description="The laboratory's zone: dates and times without an offset are read in it.")
    max_body_bytes: int = Field(
        50 * 1024 * 1024, ge=1024, description="Largest request body; a larger one is answered 413."
    )
    max_depth: int = Field(100, ge=10, description="Deepest nesting accepted in a body.")
    search_count: int = Field(20, ge=1, description="Page size when the client sends no _count.")
    search_count_max: int = Field(1000, ge=1, description="Largest page size; a larger _count is reduced to it.")
    total_bound: int = Field(
        10_000, ge=0, description="Totals are exact up to this many matches; beyond it only with _total=accurate."
    )
    referential_integrity: bool = Field(
        True,
        description="Refuse references to missing resources and deletion of referred ones. False only while loading.",
    )
    cors_origins: Listed = Field(("*",), description="Origins whose browsers may call the FHIR API, parted by commas.")
    outbound_allow: Listed = Field(
        (),
        description="Addresses, CIDR ranges or hosts that webhooks and imports may use although they are private or "
        "plain http, parted by commas.",
    )
    token_ttl: int = Field(3600, ge=1, description="Seconds a printed or granted access token is valid.")
    password_grant: bool = Field(
        False,
        description="Scripts and docs pages may trade name and password for a token. Off: no client sees a password.",
    )
    message_attempts: int = Field(5, ge=1, description="How often a message is tried before it is marked failed.")
    message_lease_seconds: int = Field(
        60, ge=1, description="A message whose worker said nothing for this long is taken again."
    )
    job_lease_seconds: int = Field(
        60, ge=1, description="A bulk job whose worker said nothing for this long is taken again."
    )
    job_retention_hours: int = Field(
        24, ge=1, description="Hours after which an ended bulk job and its files are deleted, if the client did not."
    )
    jobs_per_client: int = Field(
        20, ge=1, description="Bulk jobs of one client that may be unfinished at once; one more is answered 429."
    )
    export_file_lines: int = Field(
        50_000, ge=1, description="Lines after which an export begins another file of the same type."
    )
    import_max_bytes: int = Field(
        1024 * 1024 * 1024, ge=1024, description="Largest NDJSON file that an import downloads, once unpacked."
    )
    sweep_seconds: float = Field(
        5.0, gt=0, description="How often the sweeper looks for due messages and notifications."
    )
    webhook_timeout_seconds: float = Field(10.0, gt=0, description="How long one notification attempt may take.")
    log_level: str = Field("INFO", description="Level of the structured log on standard error.")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError):
            raise ValueError("not a zone of the IANA time zone database, such as Europe/Berlin") from None
        return name

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError(f"'{proxy}' is no address or range, such as 10.0.0.5 or 10.0.0.0/8") from None
        return proxies

    @field_validator("public_url")
    @classmethod
    def _url_or_where_it_listens(cls, url: str, info: ValidationInfo) -> str:
        return url.rstrip("/") or _listens_at(info.data.get("var"))

    @property
    def url_is_chosen(self) -> bool:
        """False when `public_url` is only where the server listens on this machine."""
        return "public_url" in self.model_fields_set

    @property
    def fhir_base(self) -> str:
        """The absolute FHIR base URL, without a trailing slash."""
        return self.public_url + FHIR_PATH

    @cached_property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`trusted_proxies` as networks."""
        return tuple(ip_network(proxy) for proxy in self.trusted_proxies)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The laboratory's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.var / 'fhir_lab.db'}"

    @property
    def inbox_folder(self) -> Path:
        """Where files are dropped; `work`, `processed` and `error` lie beside it."""
        return self.inbox or self.var / "inbox"

    @property
    def key_folder(self) -> Path:
        """Where the token signing keys lie."""
        return self.keys or self.var / "keys"

    @property
    def embedded(self) -> bool:
        """True when API, worker and watcher share one process and no broker is needed."""
        return self.broker_url.startswith("memory://")


def _listens_at(var: Path | None) -> str:
    try:
        return ((var or Path()) / ADDRESS_FILE).read_text().strip() or "http://127.0.0.1:8000"
    except OSError:
        return "http://127.0.0.1:8000"
