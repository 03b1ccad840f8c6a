"""vread: one version of a resource. https://hl7.org/fhir/R4/http.html#vread"""

import re

from fhir_lab.interactions.message import Request, Response
from fhir_lab.interactions.read import shown
from fhir_lab.outcomes import NotFound
from fhir_lab.storage import repository

_VERSION = re.compile("0|[1-9][0-9]{0,8}")


def vread(request: Request) -> Response:
    """200 with that version, 304 as for a read.

    Raises `NotFound` (also for a version id this server cannot have given), `Gone` (the version that deleted it) and
    `Forbidden`.
    """
    if not _VERSION.fullmatch(request.vid):
        raise NotFound.of(
            f"{request.type}/{request.id} has no version '{request.vid[:64]}'; versions are whole numbers."
        )
    with request.reading() as unit:
        found = repository.read_version(unit, request.type, request.id, int(request.vid))
    return shown(request, found)
