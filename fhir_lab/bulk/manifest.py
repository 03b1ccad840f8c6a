"""What a finished job answers: where its files are.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status
"""

from collections.abc import Sequence
from typing import Any

from fhir_lab.bulk.kickoff import job_url
from fhir_lab.clock import instant
from fhir_lab.services import Services
from fhir_lab.storage.job_files import File
from fhir_lab.storage.jobs import Job

Json = dict[str, Any]


def manifest(services: Services, job: Job, files: Sequence[File]) -> Json:
    """The status of a job that is done, as JSON values; there is no item for what has no lines."""
    found: Json = {
        "transactionTime": instant(job.mark.at if job.mark else job.created),
        "request": job.request,
        "requiresAccessToken": True,
        "output": _listed(services, job, files, "output"),
        "error": _listed(services, job, files, "error"),
    }
    deleted = _listed(services, job, files, "deleted")
    return found | ({"deleted": deleted} if deleted else {})


def _listed(services: Services, job: Job, files: Sequence[File], kind: str) -> list[Json]:
    base = job_url(services, job.id)
    return [
        {"type": file.type, "url": f"{base}/{file.number}.ndjson", "count": file.lines}
        | ({"inputUrl": file.url} if file.url else {})
        for file in files
        if file.kind == kind
    ]
