"""The folders of the inbox, and the three moves between them: take, file away, give back. Nothing is ever deleted.

`inbox` is where others drop files, `work` where a taken file lies until it is journaled, `processed/yyyy/mm/dd` and
`error` where it ends. They must lie on one filesystem: only there is a rename atomic.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from uuid_utils import uuid7

from fhir_lab.clock import from_micros, instant
from fhir_lab.services import Services

MARK = "~"
LONGEST_NAME = 255


class FolderError(Exception):
    """A folder of the inbox cannot be used; the text says which and what to do."""


class Folders:
    """Inbox, work, processed and error of one installation."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.inbox = services.settings.inbox_folder
        self.work = self.inbox.parent / "work"
        self.processed = self.inbox.parent / "processed"
        self.error = self.inbox.parent / "error"

    def prepare(self) -> None:
        """Create what is missing and try what the watcher will do. Raises `FolderError`."""
        for folder in (self.work, self.inbox, self.processed, self.error):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / f".{uuid7()}.tmp"
                probe.touch(exist_ok=False)
                moved = self.work / probe.name
                probe.rename(moved)
                moved.unlink()
            except OSError as problem:
                raise FolderError(
                    f"The folder {folder} cannot be used: {problem.strerror}. The watcher must be able to create and "
                    f"rename files in it, and it must lie on the same filesystem as {self.work}."
                ) from None

    def take(self, name: str) -> Path | None:
        """Claim a file of the inbox by renaming it into `work`; None when somebody else was faster."""
        taken = self.work / tokened(name)
        try:
            os.rename(self.inbox / name, taken)
        except FileNotFoundError:
            return None
        return taken

    def give_back(self, taken: Path) -> bool:
        """Put a taken file back where it was; False when a new one has that name now, and it stays in `work`."""
        return move(taken, self.inbox / original_name(taken))

    def file_away(self, taken: Path) -> Path:
        """Move a journaled file to the folder of today."""
        today = from_micros(self._services.clock.now()).astimezone(self._services.settings.zone)
        return self._end(taken, self.processed / today.strftime("%Y/%m/%d"))

    def set_aside(self, taken: Path, report: Mapping[str, Any]) -> Path:
        """Move a file that cannot be read to `error`, with `NAME.err.json` beside it that says why."""
        ended = self._end(taken, self.error)
        told = {"file": shown(original_name(taken)), "time": instant(self._services.clock.now()), **report}
        text = json.dumps(told, indent=2, ensure_ascii=False).encode("utf-8", "replace")
        ended.with_name(_fitted("", ended.name, ".err.json")).write_bytes(text)
        return ended

    def _end(self, taken: Path, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        name = original_name(taken)
        ended = folder / name
        if not move(taken, ended):
            path = Path(name)
            ended = folder / _fitted("", path.stem, f"-{claim_of(taken) or uuid7()}{path.suffix[:20]}")
            os.rename(taken, ended)
        return ended


def tokened(name: str) -> str:
    """The name that a file has in `work`: a token of its own before its name."""
    return _fitted(f"{uuid7()}{MARK}", name, "")


def claim_of(taken: Path) -> str | None:
    """The token under which a file in `work` is journaled; None for a file that was not put there by `take`."""
    token, mark, _ = taken.name.partition(MARK)
    try:
        return str(UUID(token)) if mark else None
    except ValueError:
        return None


def original_name(taken: Path) -> str:
    """The name that a file in `work` had in the inbox."""
    return taken.name.partition(MARK)[2] if claim_of(taken) else taken.name


def shown(name: str) -> str:
    """A file name as text that can be stored and printed, whatever bytes it has."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def move(source: Path, target: Path) -> bool:
    """Rename without ever replacing a file: False, and nothing done, when the target exists."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise
    except OSError:
        # Filesystems without hard links: only watchers write to the target folders, under names of their own.
        if os.path.lexists(target):
            return False
        os.rename(source, target)
        return True
    os.unlink(source)
    return True


def _fitted(before: str, name: str, after: str) -> str:
    """A name that no filesystem finds too long."""
    room = LONGEST_NAME - len(os.fsencode(before)) - len(os.fsencode(after))
    return before + os.fsdecode(os.fsencode(name)[:room]) + after
