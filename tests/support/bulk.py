"""A bulk client for tests: starts a job, lets a worker have its turns, and reads what came of it."""

import gzip
import json
from typing import Any

import httpx

from fhir_lab.bulk.run import run
from fhir_lab.services import Services
from tests.support.api import Api

PREFER = "respond-async"
Json = dict[str, Any]
Lines = dict[str, list[Json]]


def kick_off(api: Api, path: str = "/$export", **headers: str) -> str:
    """Start a job; where it is polled."""
    response = api.get(path, **({"Prefer": PREFER} | headers))
    assert response.status_code == 202, response.text
    return response.headers["content-location"]


def job_id(url: str) -> str:
    """The id of a job from its polling URL."""
    return url.rpartition("/")[2]


def work(services: Services, url: str) -> None:
    """Do everything that is left of a job."""
    while run(services, job_id(url)):
        pass


def manifest(api: Api, url: str) -> Json:
    """The answer of a job that is done."""
    response = api.get(url)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    found: Json = response.json()
    return found


def lines(response: httpx.Response) -> list[Json]:
    """The resources of a file; fails unless each line is one."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/fhir+ndjson")
    text = response.text
    assert text.endswith("\n")
    return [json.loads(line) for line in text[:-1].split("\n")]


def downloaded(api: Api, found: Json, kind: str = "output") -> Lines:
    """The resources of each type; fails when a file holds another type or count than the manifest says."""
    by_type: Lines = {}
    for item in found.get(kind, []):
        resources = lines(api.get(item["url"]))
        assert {resource["resourceType"] for resource in resources} == {item["type"]}
        assert len(resources) == item["count"]
        by_type.setdefault(item["type"], []).extend(resources)
    return by_type


def exported(api: Api, path: str = "/$export", **headers: str) -> Lines:
    """What an export gives, by type."""
    url = kick_off(api, path, **headers)
    work(api.services, url)
    return downloaded(api, manifest(api, url))


def ids(found: Lines) -> dict[str, list[str]]:
    """The sorted ids of each type."""
    return {kind: sorted(resource["id"] for resource in resources) for kind, resources in found.items()}


def unzipped(data: bytes) -> bytes:
    """Gzip as text, read as one member: some clients stop after the first."""
    return gzip.decompress(data)
