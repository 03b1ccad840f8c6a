r"""Separators in search values and the escapes that take their meaning away: `\,` `\|` `\$` `\\`.

https://hl7.org/fhir/R4/search.html#escaping
"""

SPECIAL = ",|$\\"


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    r"""The parts of `text` between unescaped separators, their escapes kept; at most `limit` splits.

    A backslash before any other character stands for itself, so that `DOMAIN\user` need not be doubled.
    """
    if separator not in text:
        return [text]
    if "\\" not in text:
        return text.split(separator, limit)
    parts: list[str] = []
    start = position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == separator and len(parts) != limit:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""`text` with `\,` `\|` `\$` `\\` turned into what they stand for."""
    if "\\" not in text:
        return text
    plain, position = [], 0
    while position < len(text):
        if text[position] == "\\" and text[position + 1 : position + 2] in tuple(SPECIAL):
            position += 1
        plain.append(text[position])
        position += 1
    return "".join(plain)


def escape(text: str) -> str:
    """`text` so that it is one value: each special character after a backslash."""
    return "".join("\\" + character if character in SPECIAL else character for character in text)
