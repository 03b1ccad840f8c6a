"""The five delimiters of a message, and its escape sequences decoded once.

HL7 v2.5.1 chapter 2.7, https://www.hl7.eu/HL7v2x/v251/std251/ch02.html#Heading27
"""

import re
from dataclasses import dataclass
from functools import lru_cache

STANDARD = "^~\\&"
# What a formatted-text command becomes; those that only set a margin or a style become nothing.
_BREAKS = ("br", "sp", "ce")
_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])


@dataclass(frozen=True, slots=True)
class Encoding:
    """The delimiters of one message and the character set that `\\X..\\` bytes are in.

    `escape` and `truncation` may be empty.
    """

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    truncation: str = ""
    charset: str = "utf-8"

    def unescape(self, text: str) -> str:
        """Text with its escape sequences decoded; an unknown or open sequence stays as it is."""
        if not self.escape or self.escape not in text:
            return text
        return _pattern(self.escape).sub(self._decoded, text)

    def _decoded(self, match: re.Match[str]) -> str:
        command = match[1]
        kind = command[0].upper()
        if kind == "X":
            return self._bytes(command[1:])
        if kind == ".":
            return _formatted(command[1:])
        return {
            "F": self.field,
            "S": self.component,
            "T": self.subcomponent,
            "R": self.repetition,
            "E": self.escape,
            "P": self.truncation or "#",
        }.get(kind, "")

    def _bytes(self, digits: str) -> str:
        data = bytes.fromhex(digits)
        try:
            text = data.decode("utf-8" if self.charset == "ascii" else self.charset)
        except (UnicodeDecodeError, LookupError):
            text = data.decode("latin-1")
        return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROL)


@lru_cache(maxsize=32)
def _pattern(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    formatting = r"\.(?:br|sp|in|ti|fi|nf|ce|sk)(?:[+-]?\d{1,4})?"
    return re.compile(rf"{mark}([FSTREPHN]|X(?:[0-9A-F]{{2}})+|{formatting}){mark}", re.IGNORECASE)


def _formatted(command: str) -> str:
    name, amount = command[:2].lower(), command[2:].lstrip("+")
    count = int(amount) if amount.isdigit() else 1
    if name in _BREAKS:
        return "\n" * min(count if name == "sp" else 1, 100)
    return " " * min(count, 100) if name == "sk" else ""
