"""Searches made at random from the values that documents hold: most find something, and many just miss."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tests.support.oracle import EPOCH, Oracle, at, folded, local, raw, span, texts, tokens
from tests.support.oracle_paths import COMPOSITES, TABLES, parameters

Pair = tuple[str, str]
# Searches name days from 0002 to 9998, so that any offset can be added.
FIRST, LAST = span("0002")[0], span("9998")[1] - 1
PREFIXES = ("", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
KINDS = ("token", "string", "date", "number", "quantity", "reference", "uri", "composite", "chain", "has", "missing")


def escaped(text: str) -> str:
    """A value as one alternative of a search."""
    return "".join(f"\\{character}" if character in "\\,|$" else character for character in text)


@dataclass
class Maker:
    """Makes searches of the documents of an oracle, the same ones for the same seed."""

    oracle: Oracle
    random: Random

    def types(self) -> list[str]:
        """The types that the oracle knows and has documents of."""
        return [name for name in TABLES if self.oracle.of.get(name)]

    def one(self, kind: str) -> tuple[str, Pair]:
        """(type, parameter) of one search of a kind; some document must have a value for it."""
        for _ in range(500):
            resource_type = self.random.choice(self.types())
            pair = self.pair(resource_type, kind)
            if pair:
                return resource_type, pair
        raise LookupError(f"no document has a value for a {kind} search")

    def pair(self, resource_type: str, kind: str, depth: int = 0) -> Pair | None:
        """A parameter of this kind for a type."""
        if kind == "chain":
            return self._chain(resource_type, depth)
        if kind == "has":
            return self._has(resource_type, depth)
        if kind == "composite":
            return self._composite(resource_type)
        if kind == "missing":
            code = self.random.choice(list(parameters(resource_type)))
            return f"{code}:missing", self.random.choice(("true", "false"))
        codes = [code for code, (found, _) in parameters(resource_type).items() if found == kind]
        code = self.random.choice(codes) if codes else ""
        values = self._values(resource_type, code) if code else []
        if not values:
            return None
        modifier, texts_of = self._modified(kind) if code != "_id" else ("", lambda value: str(value[0]))
        count = 1 if self.random.random() < 0.75 else self.random.randint(2, 4)
        found_texts = [texts_of(self.random.choice(values)) for _ in range(count)]
        wanted = [text for text in found_texts if text]
        return (f"{code}{modifier}", ",".join(wanted)) if wanted else None

    def _values(self, resource_type: str, code: str) -> list[tuple[Any, str]]:
        _, paths = parameters(resource_type)[code]
        documents = self.oracle.of[resource_type]
        return raw([self.random.choice(documents) for _ in range(20)], paths)

    def _modified(self, kind: str) -> tuple[str, Callable[[tuple[Any, str]], str]]:
        """A modifier with its colon, and what makes the text of a value."""
        roll = self.random.random()
        if kind == "token":
            return (":not" if roll < 0.2 else ""), self._token
        if kind == "string":
            modifier = "exact" if roll < 0.3 else "contains" if roll < 0.6 else ""
            return f":{modifier}" if modifier else "", lambda value: self._string(value, modifier)
        if kind == "uri":
            modifier = ":below" if roll < 0.3 else ":above" if roll < 0.6 else ""
            return modifier, lambda value: self._uri(value, modifier)
        makers = {"date": self._date, "number": self._number, "quantity": self._quantity, "reference": self._reference}
        return "", makers[kind]

    def _token(self, value: tuple[Any, str]) -> str:
        system, code = self.random.choice(tokens(*value))
        forms = [code and escaped(code)] * 3 + [code and f"{escaped(system)}|{escaped(code)}"] * 3
        forms += [system and f"{escaped(system)}|", code and f"|{escaped(code)}", code and f"urn:x|{escaped(code)}"]
        forms += [code and escaped(code.swapcase())]
        return self.random.choice(forms)

    def _string(self, value: tuple[Any, str], modifier: str) -> str:
        found = texts(value[0])
        if not found:
            return ""
        text = self.random.choice(found)
        if modifier == "contains":
            start = self.random.randrange(len(text))
            text = text[start : start + self.random.randint(1, 6)]
        elif not modifier:
            text = text[: self.random.randint(1, len(text))]
        if self.random.random() < 0.4:
            text = self.random.choice((text.upper(), text.lower(), text.swapcase()))
        return escaped(text) if folded(text) and text.strip() == text else ""

    def _uri(self, value: tuple[Any, str], modifier: str) -> str:
        uri = str(value[0])
        if modifier and uri.startswith("urn:"):
            return ""
        if modifier == ":below" and uri.count("/") > 2:
            uri = uri.rsplit("/", self.random.randint(0, 2))[0]
        if modifier == ":above":
            uri += self.random.choice(("", "/more", "/more/still", "more"))
        return escaped(uri)

    def _date(self, value: tuple[Any, str]) -> str:
        literals = (
            [value[0]] if isinstance(value[0], str) else [each for each in value[0].values() if isinstance(each, str)]
        )
        if not literals:
            return ""
        low, high = span(self.random.choice(literals))
        moment = EPOCH + timedelta(microseconds=self._near(low, high))
        length = self.random.choice((4, 7, 10, 16, 19, 26))
        text = moment.isoformat(timespec="microseconds")[:length]
        if length > 10 and self.random.random() < 0.4:
            hours = self.random.randint(-11, 13)
            away = (moment + timedelta(hours=hours)).isoformat(timespec="microseconds")[:length]
            text = f"{away}{'-' if hours < 0 else '+'}{abs(hours):02d}:00"
        elif length > 10:
            text += "Z"
        return self.random.choice(PREFIXES) + text

    def _near(self, low: int, high: int) -> int:
        chosen: int = self.random.choice((low, low, high, low - 1_000_000, (low + high) // 2))
        return min(max(chosen, FIRST), LAST)

    def _shifted(self, number: Decimal) -> str:
        step = Decimal(1).scaleb(int(number.as_tuple().exponent))
        moved = number + self.random.choice((0, 0, 0, 1, -1, 5)) * step
        digits = self.random.choice((0, 1, 2, 3))
        rounded = self.random.choice((moved, round(moved, digits), moved + Decimal("0.000")))
        return self.random.choice(PREFIXES) + format(rounded, "f")

    def _number(self, value: tuple[Any, str]) -> str:
        return self._shifted(Decimal(value[0]))

    def _quantity(self, value: tuple[Any, str]) -> str:
        quantity = value[0]
        if "value" not in quantity:
            return ""
        number, system, code = (
            self._shifted(Decimal(quantity["value"])),
            quantity.get("system", ""),
            quantity.get("code", ""),
        )
        forms = [number, number, f"{number}|{system}|{code}", f"{number}|{system}|{code}", f"{number}||{code}"]
        forms += [f"{number}|{system}|mg/dL", f"{number}||{quantity.get('unit', 'x')}", f"{number}||nothing"]
        return self.random.choice(forms)

    def _reference(self, value: tuple[Any, str]) -> str:
        target = local(value[0], self.oracle.base)
        if target is None:
            return escaped(str(value[0].get("reference", "")))
        resource_type, resource_id = target
        forms = [resource_id, f"{resource_type}/{resource_id}", f"{self.oracle.base}/{resource_type}/{resource_id}"]
        return self.random.choice([*forms, f"{resource_type}/no-such-id", "no-such-id"])

    def _composite(self, resource_type: str) -> Pair | None:
        codes = [code for name, code in COMPOSITES if name == resource_type]
        if not codes:
            return None
        code = self.random.choice(codes)
        places, shapes = COMPOSITES[resource_type, code]
        elements = [element for place in places for element in at(self.oracle.of[resource_type], place)]
        same = self.random.choice(elements) if elements else {}
        found = []
        for kind, paths in shapes:
            element = same if self.random.random() < 0.8 else self.random.choice(elements)
            values = [value for value in raw(element, paths) if isinstance(value[0], dict)]
            if not values:
                return None
            found.append((self._token if kind == "token" else self._quantity)(self.random.choice(values)))
        return (code, "$".join(found)) if all(found) else None

    def _references(self, resource_type: str) -> list[str]:
        return [code for code, (kind, _) in parameters(resource_type).items() if kind == "reference"]

    def _inner(self, resource_type: str, depth: int) -> Pair | None:
        kinds = ("token", "string", "date", "quantity", "reference", "missing", "composite")
        more = ("chain", "has") if depth == 0 else ()
        return self.pair(resource_type, self.random.choice((*kinds, *more)), depth + 1)

    def _chain(self, resource_type: str, depth: int) -> Pair | None:
        codes = self._references(resource_type)
        if not codes:
            return None
        code = self.random.choice(codes)
        targets = [local(value, self.oracle.base) for value, _ in self._values(resource_type, code)]
        types = sorted({target[0] for target in targets if target and target[0] in self.types()})
        target = self.random.choice(types) if types else ""
        inner = self._inner(target, depth) if target else None
        return (f"{code}:{target}.{inner[0]}", inner[1]) if inner else None

    def _has(self, resource_type: str, depth: int) -> Pair | None:
        found = []
        for source in self.types():
            for code in self._references(source):
                values = self._values(source, code)
                if any(
                    (target := local(value, self.oracle.base)) and target[0] == resource_type for value, _ in values
                ):
                    found.append((source, code))
        if not found:
            return None
        source, code = self.random.choice(found)
        inner = self._inner(source, depth)
        return (f"_has:{source}:{code}:{inner[0]}", inner[1]) if inner else None
