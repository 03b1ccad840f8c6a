"""fhirpy, unmodified and asynchronous: one walk through what it can do, over one event loop."""

import asyncio

import pytest
from fhirpy import AsyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.support.laboratory import Laboratory

FAMILY = "Asynchronous"


async def walk(client: AsyncFHIRClient) -> None:
    """Create, refresh, search, page, patch, validate and delete."""
    patients = client.resources("Patient").search(family=FAMILY)
    await asyncio.gather(
        *(
            client.resource(
                "Patient", name=[{"family": FAMILY}], identifier=[{"system": "urn:async", "value": str(number)}]
            ).save()
            for number in range(5)
        )
    )
    assert await patients.count() == 5
    pages = await patients.sort("identifier").limit(2).fetch_all()
    assert [each["identifier"][0]["value"] for each in pages] == list("01234")
    first = await patients.sort("-identifier").first()
    assert first is not None
    assert first["identifier"][0]["value"] == "4"
    await first.patch(gender="female")
    await first.refresh()
    assert (first["gender"], first["meta"]["versionId"]) == ("female", "2")
    assert await first.is_valid()
    assert not await client.resource("Patient", gender="banana").is_valid()
    same, created = (
        await client.resources("Patient")
        .search(identifier="urn:async|4")
        .get_or_create(client.resource("Patient", name=[{"family": FAMILY}]))
    )
    assert (same["id"], created) == (first["id"], False)
    everything = await first.execute("$everything", method="get")
    assert [entry["resource"]["id"] for entry in everything["entry"]] == [first["id"]]
    with pytest.raises(MultipleResourcesFound):
        await patients.delete()
    with pytest.raises(OperationOutcome, match="identifier"):
        await client.resources("Patient").search(identifie="1").fetch()
    for each in await patients.fetch_all():
        await each.delete()
    with pytest.raises(ResourceNotFound):
        await client.get("Patient", first.id)
    assert await patients.count() == 0


def test_a_walk_through_the_asynchronous_client(laboratory: Laboratory) -> None:
    asyncio.run(walk(AsyncFHIRClient(laboratory.base, authorization=laboratory.authorization)))
