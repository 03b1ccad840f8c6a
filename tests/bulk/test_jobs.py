"""A job over its life: whose it is, how it fails, when it is forgotten, how it is downloaded."""

import time
import zlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from fhir_lab.bulk import export as export_module
from fhir_lab.bulk import run as run_module
from fhir_lab.bulk.run import run
from fhir_lab.http.polls import BURST, Polls
from fhir_lab.outcomes import Forbidden
from fhir_lab.services import Services
from fhir_lab.storage import job_files, jobs
from fhir_lab.storage.tables import job, job_file, job_part
from fhir_lab.worker import Embedded, sweep
from tests.support.api import Api, issues, patient
from tests.support.bulk import downloaded, ids, job_id, kick_off, lines, manifest, work


def store(api: Api, count: int) -> None:
    for number in range(count):
        assert api.put(f"/Patient/p{number:03}", patient(f"p{number:03}")).status_code == 201


def test_others_see_neither_the_job_nor_its_files(api: Api) -> None:
    store(api, 1)
    url = kick_off(api)
    work(api.services, url)
    [item] = manifest(api, url)["output"]
    stranger = api.scoped("system/*.cruds", client="another")
    for found in (url, item["url"]):
        assert stranger.get(found).status_code == 404
    assert stranger.delete(url).status_code == 404
    assert manifest(api, url)["output"] == [item]


def test_a_weaker_token_of_the_same_client_reads_only_what_it_may(api: Api) -> None:
    store(api, 1)
    url = kick_off(api)
    work(api.services, url)
    [item] = manifest(api, url)["output"]
    assert api.scoped("system/Observation.rs").get(item["url"]).status_code == 403
    assert api.scoped("system/Patient.rs").get(item["url"]).status_code == 200


@pytest.mark.parametrize("path", ["99", "../../etc/passwd", "..%2F..%2Fsettings", "-1", "0"])
def test_there_is_no_other_file(api: Api, path: str) -> None:
    store(api, 1)
    url = kick_off(api)
    work(api.services, url)
    assert api.get(f"{url}/{path}.ndjson").status_code == 404
    assert api.get(f"{url}/{path}").status_code == 404


def test_a_file_is_the_same_with_gzip_and_without(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    store(api, 30)
    monkeypatch.setattr(export_module, "LINES_AT_ONCE", 7)
    url = kick_off(api)
    work(api.services, url)
    [item] = manifest(api, url)["output"]
    plain = api.get(item["url"], Accept_Encoding="identity")
    zipped = api.get(item["url"], Accept_Encoding="gzip")
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < int(plain.headers["content-length"]) == len(plain.content)
    assert plain.content == zipped.content
    assert [line["id"] for line in lines(zipped)] == [f"p{number:03}" for number in range(30)]
    head = api.call("HEAD", item["url"], Accept_Encoding="identity")
    assert (head.content, head.headers["content-length"]) == (b"", plain.headers["content-length"])


def test_the_gzip_stream_is_one_member(api: Api) -> None:
    store(api, 5)
    url = kick_off(api)
    work(api.services, url)
    with api.services.database.read() as connection:
        [file] = job_files.files(connection, job_id(url))
        parts = [job_files.gzip_part(connection, job_id(url), file, number) for number in range(file.parts + 1)]
        assert sum(map(len, parts)) == job_files.gzip_size(connection, job_id(url), file)
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    text = stream.decompress(b"".join(parts))
    assert stream.eof
    assert stream.unused_data == b""
    assert text.count(b"\n") == 5


def test_a_long_file_is_followed_by_another(api: Api) -> None:
    store(api, 25)
    few = Services(api.services.settings.model_copy(update={"export_file_lines": 10}))
    url = kick_off(api)
    work(few, url)
    few.close()
    output = manifest(api, url)["output"]
    assert [(item["type"], item["count"]) for item in output] == [("Patient", 10), ("Patient", 10), ("Patient", 5)]
    assert ids(downloaded(api, {"output": output}))["Patient"] == [f"p{number:03}" for number in range(25)]


def test_a_client_with_too_many_jobs_waits(api: Api) -> None:
    api.services.settings.__dict__["jobs_per_client"] = 2
    urls = [kick_off(api), kick_off(api)]
    refused = api.get("/$export", Prefer="respond-async")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert issues(refused) == [("throttled", [])]
    assert api.scoped("system/*.rs", client="another").get("/$export").status_code == 202
    work(api.services, urls[0])
    assert api.get("/$export", Prefer="respond-async").status_code == 202


def test_one_who_polls_without_pause_is_slowed_down(api: Api) -> None:
    url = kick_off(api)
    answers = [api.get(url)]
    # On a slow machine the allowance grows a little meanwhile.
    while answers[-1].status_code == 202 and len(answers) < 10 * BURST:
        answers.append(api.get(url))
    *before, slowed = answers
    assert len(before) >= BURST
    assert slowed.status_code == 429
    assert 1 <= int(slowed.headers["retry-after"]) <= 2
    work(api.services, url)
    assert api.get(url).status_code == 200


def test_the_allowance_of_polls_grows_again() -> None:
    now = 100.0
    polls = Polls(lambda: now)
    assert [polls.pause("a") for _ in range(BURST)] == [0] * BURST
    assert polls.pause("a") == 1
    assert polls.pause("b") == 0
    now += 1
    assert [polls.pause("a") for _ in range(3)] == [0, 0, 1]


def test_a_job_that_cannot_be_done_says_why(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    url = kick_off(api)

    def refuse(*_: Any) -> None:
        raise Forbidden.of("Not this.")

    monkeypatch.setattr(export_module.Export, "step", refuse)
    work(api.services, url)
    response = api.get(url)
    assert response.status_code == 500
    assert issues(response) == [("forbidden", [])]


def test_a_job_that_breaks_is_tried_again_and_then_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    url = kick_off(api)

    def broken(*_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(export_module.Export, "step", broken)
    for attempt in range(run_module.ATTEMPTS):
        assert api.get(url).status_code == 202, attempt
        assert run(api.services, job_id(url)) is False
    response = api.get(url)
    assert response.status_code == 500
    assert issues(response) == [("exception", [])]
    assert "secret" not in response.text


def test_a_job_and_its_files_expire(api: Api) -> None:
    store(api, 1)
    url = kick_off(api)
    work(api.services, url)
    sweep(api.services)
    assert api.get(url).status_code == 200
    api.services.clock.advance(timedelta(hours=api.services.settings.job_retention_hours, seconds=1))
    sweep(api.services)
    later = api.scoped("system/*.cruds")
    assert later.get(url).status_code == 404
    with api.services.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(job_part)).scalar() == 0
        assert connection.execute(select(func.count()).select_from(job_file)).scalar() == 0


def test_the_sweeper_sends_a_job_whose_worker_fell_silent(api: Api) -> None:
    url = kick_off(api)
    services, sent = api.services, []
    services.queue.job = sent.append  # type: ignore[method-assign]
    lease = services.settings.job_lease_seconds * 1_000_000
    taken = services.database.transact(
        lambda connection: jobs.take(connection, job_id(url), now=services.clock.now(), lease=lease)
    )
    assert taken is not None
    sweep(services)
    assert sent == []
    assert run(services, job_id(url)) is False
    assert api.get(url).status_code == 202
    services.clock.advance(timedelta(seconds=services.settings.job_lease_seconds + 1))
    sweep(services)
    assert sent == [job_id(url)]
    with pytest.raises(jobs.JobLostError):
        services.database.transact(lambda connection: jobs.hold(connection, taken, 0))
    work(services, url)
    assert api.scoped("system/*.cruds").get(url).status_code == 200


def test_an_embedded_installation_does_jobs_beside_messages(api: Api) -> None:
    store(api, 3)
    with Embedded(api.services, watch=False):
        url = kick_off(api)
        until = time.monotonic() + 20
        while api.get(url).status_code == 202:
            assert time.monotonic() < until
            time.sleep(0.4)
    assert ids(downloaded(api, manifest(api, url))) == {"Patient": ["p000", "p001", "p002"]}


def test_a_transaction_starts_no_job(api: Api) -> None:
    entry = {"request": {"method": "GET", "url": "$export"}}
    response = api.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert response.status_code == 400
    assert issues(response)
    with api.services.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(job)).scalar() == 0
