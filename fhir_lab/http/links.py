"""Absolute URLs of resources, versions and pages, and the link relations of a Bundle.

https://hl7.org/fhir/R4/http.html#paging
"""

from collections.abc import Mapping

Link = dict[str, str]


def resource_url(base: str, resource_type: str, resource_id: str) -> str:
    """Where a resource is read; the fullUrl of its Bundle entries."""
    return f"{base}/{resource_type}/{resource_id}"


def version_url(base: str, resource_type: str, resource_id: str, version: int) -> str:
    """Where one version is read; the Location of a write."""
    return f"{base}/{resource_type}/{resource_id}/_history/{version}"


def page_links(url: str, queries: Mapping[str, str | None], suffix: str = "") -> list[Link]:
    """Bundle.link for the relations that have a query string (without `?`); each keeps `suffix` (`_format=json`)."""
    return [
        {"relation": relation, "url": _with(url, "&".join(filter(None, (query, suffix))))}
        for relation, query in queries.items()
        if query is not None
    ]


def _with(url: str, query: str) -> str:
    return f"{url}?{query}" if query else url
