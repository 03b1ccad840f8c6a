"""The folder watcher: takes files from the inbox when they are complete, journals them, files them away.

It polls, because network shares tell nothing; it renames, because only that is atomic; it never deletes. Wherever it is
killed, the file lies in one of the folders, and the next start goes on from there. Several watchers may share an inbox.
"""

import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_lab.ingest import quarantine
from fhir_lab.ingest.folders import Folders, claim_of, original_name, shown, tokened
from fhir_lab.ingest.hl7v2.message import is_truncated
from fhir_lab.ingest.intake import Accepted, accept, announce
from fhir_lab.outcomes import Unavailable
from fhir_lab.services import Services

log = logging.getLogger(__name__)

UNFINISHED = (".tmp", ".part", ".filepart", ".lock", "~")
# How much longer than a stable one an empty file, or one that ends inside a segment, is given to go on.
PATIENCE_SECONDS = 10.0
# How often files are looked for in `work` that somebody left there.
RECOVER_SECONDS = 30.0
# How long the inbox is left alone when the database does not answer.
PAUSE_SECONDS = 5.0


@dataclass(slots=True)
class _Seen:
    """A file as it was at the last polls: what it looked like, since when, and whether it can be read."""

    size: int
    changed: int
    since: float
    unreadable: bool = False


class Watcher:
    """Watches one inbox. `tick` tells seconds that only go forward."""

    def __init__(self, services: Services, tick: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._tick = tick
        self.folders = Folders(services)
        self._seen: dict[str, _Seen] = {}
        self._recover_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set. Raises `FolderError` when a folder cannot be used."""
        self.folders.prepare()
        log.info("watching", extra={"inbox": str(self.folders.inbox)})
        while not stop.is_set():
            pause = self._services.settings.inbox_poll_seconds
            try:
                self.poll()
            except Unavailable:
                log.warning("the database does not answer; files stay in the inbox")
                pause = max(pause, PAUSE_SECONDS)
            except Exception:
                log.exception("inbox not read")
                pause = max(pause, PAUSE_SECONDS)
            stop.wait(pause)

    def poll(self) -> int:
        """Look once at every file, and take those that are complete; returns how many were journaled.

        Raises `Unavailable` when the database does not answer; the file it was about is back in the inbox then.
        """
        if self._tick() >= self._recover_at:
            self._recover_at = self._tick() + RECOVER_SECONDS
            self.recover()
        return sum(self._alone(self._take, name) for name in self._ready())

    def recover(self) -> None:
        """Go on with what lies in `work`: a watcher was killed there, or the database was away."""
        for path in sorted(self.folders.work.iterdir()):
            self._alone(self._go_on, path)

    def _alone(self, step: Callable[[Any], bool], file: Any) -> bool:
        """One file on its own: what goes wrong with it is logged, without its name, and does not stop the others."""
        try:
            return step(file)
        except Unavailable:
            raise
        except FileNotFoundError:
            return False  # another watcher was faster
        except Exception:
            log.exception("file not taken; it stays where it is")
            return False

    def _go_on(self, path: Path) -> bool:
        if path.name.startswith(".") or not stat.S_ISREG(path.lstat().st_mode):
            return False
        self._journal(path if claim_of(path) else self._named(path))
        return True

    def _named(self, path: Path) -> Path:
        """Somebody put a file into `work` by hand: give it a token like the others."""
        named = self.folders.work / tokened(path.name)
        os.rename(path, named)
        return named

    def _ready(self) -> Iterator[str]:
        """The names of files that have not changed for long enough, oldest first."""
        found: dict[str, os.stat_result] = {}
        with os.scandir(self.folders.inbox) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # gone since the folder was listed
                if stat.S_ISREG(status.st_mode):
                    found[entry.name] = status
        self._seen = {name: seen for name, seen in self._seen.items() if name in found}
        for name, status in sorted(found.items(), key=lambda item: (item[1].st_mtime_ns, item[0])):
            if self._stable(name, status):
                yield name

    def _stable(self, name: str, status: os.stat_result) -> bool:
        now, seen = self._tick(), self._seen.get(name)
        if seen is None or (seen.size, seen.changed) != (status.st_size, status.st_mtime_ns):
            seen = self._seen[name] = _Seen(status.st_size, status.st_mtime_ns, now)
        wait = self._services.settings.inbox_stable_seconds
        if now - seen.since < wait:
            return False
        return now - seen.since >= wait + PATIENCE_SECONDS or self._complete(name, seen)

    def _complete(self, name: str, seen: _Seen) -> bool:
        """False for a file that is empty, ends in the middle of a segment or cannot be opened yet."""
        if seen.size == 0:
            return False
        if seen.size > self._services.settings.max_body_bytes:
            return True
        try:
            return not is_truncated(read(self.folders.inbox / name))
        except OSError as problem:
            if not seen.unreadable:
                log.warning("a file in the inbox cannot be read", extra={"problem": problem.strerror})
            seen.unreadable = True
            return False

    def _take(self, name: str) -> bool:
        seen = self._seen[name]
        path = self.folders.inbox / name
        if not os.access(path, os.R_OK):
            return False  # the sender may still set its rights; it waits where everybody sees it
        taken = self.folders.take(name)
        if taken is None:
            return False
        status = taken.lstat()
        if (status.st_size, status.st_mtime_ns) != (seen.size, seen.changed):
            # It grew between the look and the rename, so its writer is not done.
            self.folders.give_back(taken)
            return False
        self._seen.pop(name, None)
        try:
            self._journal(taken)
        except (Unavailable, OSError):
            self.folders.give_back(taken)
            raise
        return True

    def _journal(self, taken: Path) -> None:
        """Journal the messages of a taken file, tell the workers, and file it away."""
        size, limit = taken.lstat().st_size, self._services.settings.max_body_bytes
        reasons = [quarantine.too_large(size, limit)] if size > limit else []
        data = b"" if reasons else read(taken)
        name, claim = shown(original_name(taken)), claim_of(taken)
        accepted = self._services.database.transact(
            lambda connection: accept(connection, self._services, name, data, claim=claim, reasons=reasons)
        )
        log.info("file journaled", extra={"claim": claim, "count": len(accepted.ids)})
        self._end(taken, accepted)

    def _end(self, taken: Path, accepted: Accepted) -> None:
        try:
            if accepted.reasons:
                told = [reason.as_dict() for reason in accepted.reasons]
                self.folders.set_aside(taken, {"messages": accepted.ids, "reasons": told})
            else:
                announce(self._services, accepted.ids)
                self.folders.file_away(taken)
        except FileNotFoundError:
            pass  # another watcher found it in `work` and filed it away
        except (Unavailable, OSError) as problem:
            # It is journaled; the file is filed away by a later look into `work`.
            log.warning("file not filed away", extra={"claim": claim_of(taken), "problem": type(problem).__name__})


def read(path: Path) -> bytes:
    """The bytes of a regular file. Raises `OSError`, also for a link, a pipe or a folder."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        return file.read()
