"""The files that a job writes: one resource type per file, and another file once one is long enough."""

from collections.abc import Sequence

from sqlalchemy import Connection

from fhir_lab.storage import job_files
from fhir_lab.storage.job_files import File


class Output:
    """What one transaction adds to the files of a job."""

    def __init__(self, connection: Connection, job_id: str, most_lines: int) -> None:
        self._connection = connection
        self._job_id = job_id
        self._most = most_lines
        self._files = {file.number: file for file in job_files.files(connection, job_id)}

    def write(self, kind: str, resource_type: str, lines: Sequence[bytes], url: str | None = None) -> None:
        """Add lines to the file of this kind and type."""
        start = 0
        while start < len(lines):
            file = self._open(kind, resource_type, url)
            piece = lines[start : start + self._most - file.lines]
            self._files[file.number] = job_files.append(self._connection, self._job_id, file, piece)
            start += len(piece)

    def _open(self, kind: str, resource_type: str, url: str | None) -> File:
        for file in self._files.values():
            if (file.kind, file.type, file.url) == (kind, resource_type, url) and file.lines < self._most:
                return file
        return File(max(self._files, default=0) + 1, kind, resource_type, url)
