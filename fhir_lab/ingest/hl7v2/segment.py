"""A segment whose fields, repetitions and components are taken apart when they are asked for.

Positions are those of the standard, independent of the version: `segment[14]` is OBX-14 whatever MSH-12 says.
"""

from collections.abc import Iterator

from fhir_lab.ingest.hl7v2.encoding import Encoding

NULL = '""'  # "delete what you have", while an empty field says "no change"


class Composite:
    """One repetition of a field, or one component that has subcomponents; counts from 1."""

    __slots__ = ("_encoding", "_parts", "_plain", "raw")

    def __init__(self, raw: str, encoding: Encoding, delimiter: str) -> None:
        self.raw = raw
        self._parts = raw.split(delimiter) if raw else []
        self._encoding = encoding
        self._plain = not encoding.escape or encoding.escape not in raw

    def __getitem__(self, number: int) -> str:
        """A component as text without blanks around it; empty where there is none or it is null."""
        if number > len(self._parts):
            return ""
        text = self._parts[number - 1]
        if not self._plain:
            text = self._encoding.unescape(text)
        text = text.strip()
        return "" if text == NULL else text

    def __bool__(self) -> bool:
        return any(part and part != NULL and not part.isspace() for part in self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[str]:
        """Every component as text."""
        return (self[number] for number in range(1, len(self._parts) + 1))

    def sub(self, number: int) -> "Composite":
        """A component, taken apart into its subcomponents."""
        raw = self._parts[number - 1] if number <= len(self._parts) else ""
        return Composite(raw, self._encoding, self._encoding.subcomponent)

    @property
    def text(self) -> str:
        """The whole, delimiters included, as text without blanks around it."""
        return "" if self.raw == NULL else self._encoding.unescape(self.raw).strip()


class Segment:
    """One segment.

    `number` counts the segments of this name in the message from 1; `fields` are the fields as they are written, index
    0 is the name; `shifted` is true when a broken line holds delimiters, so that nobody can tell which field is which;
    `cut` when the message ends in the middle of it.
    """

    __slots__ = ("_encoding", "cut", "fields", "name", "number", "raw", "shifted")

    def __init__(self, name: str, number: int, raw: str, encoding: Encoding, shifted: bool = False) -> None:
        self.name = name
        self.number = number
        self.raw = raw
        self.shifted = shifted
        self.cut = False
        self._encoding = encoding
        self.fields = raw.split(encoding.field)
        if name == "MSH":
            self.fields.insert(1, encoding.field)

    @property
    def position(self) -> str:
        """`OBX[3]`."""
        return f"{self.name}[{self.number}]"

    def raw_field(self, number: int) -> str:
        """A field as it is written."""
        fields = self.fields
        return fields[number] if number < len(fields) else ""

    def text(self, number: int) -> str:
        """A field as text, repetitions and components left together."""
        raw = self.raw_field(number)
        return "" if not raw or raw == NULL else self._encoding.unescape(raw).strip()

    def code(self, number: int) -> str:
        """The first component of the first repetition, its first line: what a coded field says."""
        raw = self.raw_field(number)
        if not raw:
            return ""
        encoding = self._encoding
        first = raw.partition(encoding.repetition)[0].partition(encoding.component)[0]
        text = encoding.unescape(first).strip().partition("\n")[0].strip()
        return "" if text == NULL else text

    def valued(self, number: int) -> bool:
        """True when a field says something other than null."""
        raw = self.raw_field(number)
        return bool(raw) and raw != NULL and not raw.isspace()

    def null(self, number: int) -> bool:
        """True when a field asks to delete."""
        return self.raw_field(number) == NULL

    def __getitem__(self, number: int) -> Composite:
        """The first repetition of a field."""
        raw = self.raw_field(number)
        if self._encoding.repetition in raw:
            raw = raw.partition(self._encoding.repetition)[0]
        return Composite(raw, self._encoding, self._encoding.component)

    def repetitions(self, number: int) -> list[Composite]:
        """The repetitions of a field that are not empty."""
        return [part for part in self.lines(number) if part]

    def lines(self, number: int) -> list[Composite]:
        """All repetitions of a field; an empty one is a blank line of a text."""
        raw = self.raw_field(number)
        if not raw:
            return []
        written = raw.split(self._encoding.repetition) if self._encoding.repetition in raw else [raw]
        return [Composite(part, self._encoding, self._encoding.component) for part in written]
