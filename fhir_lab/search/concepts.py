"""`:in`, `:not-in`, `:above` and `:below` of tokens: which codes they mean, from value sets and code systems.

https://hl7.org/fhir/R4/search.html#modifiers
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from fhir_lab.search.escapes import unescape
from fhir_lab.search.kinds.token import MemberValue, read
from fhir_lab.search.values import parse_reference
from fhir_lab.terminology.codes import Codes, Members
from fhir_lab.terminology.compose import Composer
from fhir_lab.terminology.source import UnknownCanonical
from fhir_lab.terminology.systems import System

if TYPE_CHECKING:
    from fhir_lab.search.terms import Document, Terms


def in_value_set(terms: "Terms", text: str, base: str, implied: Collection[str]) -> MemberValue:
    """The members of the value set that `text` names by canonical URL, or as `ValueSet/id` of this server.

    Raises `UnknownCanonical` and what `Composer.members` raises.
    """
    members = Composer(terms).members(_value_set(terms, unescape(text), base).resource)
    return MemberValue.of(members, implied)


def _value_set(terms: "Terms", text: str, base: str) -> "Document":
    local = parse_reference(text, base)
    if local is None or local.url or local.type != "ValueSet":
        return terms.named("ValueSet", text)
    try:
        return terms.named("ValueSet", f"{base}/ValueSet/{local.id}")
    except UnknownCanonical:
        return terms.by_id("ValueSet", local.id)


def in_hierarchy(terms: "Terms", text: str, how: str, implied: Collection[str]) -> MemberValue:
    """The code `system|code` and all that is `below` or `above` it in the code system.

    Where the elements imply their system, the code alone will do. Raises `ValueError` for another form,
    `UnknownCanonical` for a system whose hierarchy nobody here knows.
    """
    value = read(text)
    if value.code is None:
        raise ValueError(f"'{text}' names no code; :{how} takes system|code")
    systems = [value.system] if value.system else sorted(implied) if value.system is None else []
    if not systems:
        raise ValueError(f"'{text}' names no code system; :{how} takes system|code")
    found = {url: _closure(terms.named("CodeSystem", url).system, value.code, how) for url in systems}
    return MemberValue.of(Members.of(found), implied)


def _closure(system: System, code: str, how: str) -> Codes:
    if not system.concepts:
        raise UnknownCanonical.of(
            f"Of the CodeSystem '{system.url}' only the description is here, not its codes, so nothing is known of "
            "what is above or below one."
        )
    concept = system.find(code)
    if concept is None:
        return Codes(frozenset({code}))
    return Codes(frozenset(system.below(concept.code) if how == "below" else system.above(concept.code)))
