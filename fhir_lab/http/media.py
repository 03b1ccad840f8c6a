"""Media types: which format a client accepts, and which one it sends.

https://hl7.org/fhir/R4/http.html#mime-type https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
"""

from collections.abc import Iterable
from functools import lru_cache

from fhir_lab.outcomes import NotAcceptable, UnsupportedMediaType
from fhir_lab.patching import FORMATS, PLAIN_JSON

JSON, XML = "json", "xml"
# What a Binary holds, as it is: neither of the formats of FHIR.
NATIVE = "native"
FHIR_JSON = "application/fhir+json; charset=utf-8"
FHIR_XML = "application/fhir+xml; charset=utf-8"
CONTENT_TYPES = {JSON: FHIR_JSON, XML: FHIR_XML}
FHIR_VERSIONS = ("4.0", "4.0.1")
# What clients call the formats; the last of each is the name of DSTU2, which some clients still send as well.
TYPES = {
    "application/fhir+json": JSON,
    "application/json": JSON,
    "text/json": JSON,
    "application/json+fhir": JSON,
    "application/fhir+xml": XML,
    "application/xml": XML,
    "text/xml": XML,
    "application/xml+fhir": XML,
}
NAMES = {"json": JSON, "xml": XML, "*/*": JSON, **TYPES}
FHIR_TYPES = frozenset(name for name in TYPES if "fhir" in name)
LINES = ("application/fhir+ndjson", "application/ndjson", "application/x-ndjson")
FORM = "application/x-www-form-urlencoded"
POSSIBLE = "application/fhir+json or application/fhir+xml"
PATCHABLE = f"{', '.join(FORMATS)} or application/json"
Parsed = tuple[str, dict[str, str], float]


@lru_cache(maxsize=512)
def accepted(header: str) -> str:
    """The format that an Accept header prefers, JSON or XML; JSON for an empty one. Raises `NotAcceptable`.

    Of the ranges that fit a media type the most specific one decides, so `application/json;q=0, */*` refuses only plain
    JSON. Of the formats the one with the highest quality wins, then the one named more exactly, then the one named
    first, then JSON.
    """
    found = _best(header, TYPES.items())
    if found is None:
        raise _not_acceptable(header, POSSIBLE)
    return found


@lru_cache(maxsize=512)
def accepted_of_binary(header: str, content_type: str) -> str:
    """The format for a Binary of this content type: `NATIVE` unless a format of FHIR is asked for by its name.

    https://hl7.org/fhir/R4/binary.html#rest. Raises `NotAcceptable`.
    """
    own = (_parsed(content_type)[0], NATIVE)
    candidates = (*TYPES.items(), own) if own[0] in FHIR_TYPES else (own, *TYPES.items())
    found = _best(header, candidates)
    if found is None:
        raise _not_acceptable(header, f"{content_type[:100]}, {POSSIBLE}")
    return found


@lru_cache(maxsize=512)
def named(value: str) -> str:
    """The format that a `_format` parameter names, JSON or XML; `+` may have arrived as a blank.

    Raises `NotAcceptable`.
    """
    name, parameters, _ = _parsed(value)
    found = NAMES.get(name.replace(" ", "+"))
    if found is None or not _version_fits(parameters):
        raise NotAcceptable.of(
            f"_format '{value[:100]}' cannot be produced; possible: json, xml, {POSSIBLE}.", "http._format"
        )
    return found


@lru_cache(maxsize=512)
def sent(header: str) -> str:
    """The format that a Content-Type header names, JSON or XML; JSON if it is missing.

    Raises `UnsupportedMediaType` for anything else, also for another character set than UTF-8.
    """
    name, parameters, _ = _parsed(header)
    if name and name not in TYPES:
        raise _unsupported(header, POSSIBLE)
    _check_parameters(header, parameters)
    return TYPES.get(name, JSON)


@lru_cache(maxsize=512)
def is_graphql(header: str) -> bool:
    """True for a Content-Type header that names a GraphQL query as it is. https://hl7.org/fhir/R4/graphql.html"""
    return _parsed(header)[0] == "application/graphql"


@lru_cache(maxsize=512)
def patch_type(header: str) -> str:
    """The media type of a patch; empty for a missing Content-Type. Raises `UnsupportedMediaType` for any other."""
    name, parameters, _ = _parsed(header)
    if name not in (*FORMATS, *PLAIN_JSON) and TYPES.get(name) != XML:
        raise _unsupported(header, PATCHABLE, {"Accept-Patch": ", ".join(FORMATS)})
    _check_parameters(header, parameters)
    return name


def patch_format(header: str) -> str:
    """The format that a patch is written in, JSON or XML. Raises `UnsupportedMediaType` for what is no patch."""
    return TYPES.get(patch_type(header), JSON)


def is_fhir(header: str) -> bool:
    """True for a Content-Type that may be FHIR, or none at all."""
    name = _parsed(header)[0]
    return not name or name in TYPES


@lru_cache(maxsize=512)
def is_lines(header: str) -> bool:
    """True when a Content-Type header names NDJSON. https://hl7.org/fhir/R4/nd-json.html"""
    return _parsed(header)[0] in LINES


@lru_cache(maxsize=512)
def check_form(header: str) -> None:
    """Raises `UnsupportedMediaType` unless a Content-Type header names a URL-encoded form, or is missing."""
    name, _, _ = _parsed(header)
    if name and name != FORM:
        raise _unsupported(header, FORM)


def _best(header: str, candidates: Iterable[tuple[str, str]]) -> str | None:
    """Of (media type, format) the format that the header prefers; of equals the earlier candidate."""
    if not header.strip():
        header = "*/*"
    ranges = [_parsed(part) for part in header.split(",") if part.strip()]
    best: tuple[float, int, int] | None = None
    found = None
    for media_type, form in candidates:
        wish = _wish(ranges, media_type)
        if wish[0] > 0 and (best is None or wish > best):
            best, found = wish, form
    return found


def _wish(ranges: list[Parsed], media_type: str) -> tuple[float, int, int]:
    """How much a media type is wanted: quality and exactness of the range that decides, and how early it stands."""
    fitting = [
        (specificity, quality, -place)
        for place, (name, parameters, quality) in enumerate(ranges)
        if (specificity := _specificity(name, media_type)) and _version_fits(parameters)
    ]
    specificity, quality, place = max(fitting, default=(0, 0.0, 0))
    return quality, specificity, place


def _not_acceptable(header: str, possible: str) -> NotAcceptable:
    return NotAcceptable.of(
        f"Accept '{header[:200]}' cannot be satisfied; this server answers {possible}, fhirVersion 4.0.", "http.Accept"
    )


def _check_parameters(header: str, parameters: dict[str, str]) -> None:
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8") or not _version_fits(parameters):
        raise _unsupported(header, "application/fhir+json; charset=utf-8; fhirVersion=4.0")


def _unsupported(header: str, possible: str, headers: dict[str, str] | None = None) -> UnsupportedMediaType:
    return UnsupportedMediaType.of(
        f"Content-Type '{header[:100]}' cannot be read here; send {possible}.", "http.Content-Type", headers=headers
    )


def _parsed(text: str) -> Parsed:
    """`name;parameter=value;q=0.5` as (name, parameters, quality)."""
    name, *rest = text.split(";")
    pairs = (part.partition("=") for part in rest)
    parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
    return name.strip().lower(), parameters, _quality(parameters.pop("q", "1"))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _version_fits(parameters: dict[str, str]) -> bool:
    return parameters.get("fhirversion", "4.0") in FHIR_VERSIONS


def _specificity(name: str, media_type: str) -> int:
    """How closely a media range names `media_type`: 3 exactly, 2 `type/*`, 1 `*/*`, 0 not at all."""
    if name == media_type:
        return 3
    if name == media_type.partition("/")[0] + "/*":
        return 2
    return 1 if name in ("*/*", "*") else 0
