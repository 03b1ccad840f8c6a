"""Media types: which format a client accepts, and which one it sends.

https://hl7.org/fhir/R4/http.html#mime-type https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
"""

from functools import lru_cache

from fhir_lab.outcomes import NotAcceptable, UnsupportedMediaType
from fhir_lab.patching import FORMATS, PLAIN_JSON

FHIR_JSON = "application/fhir+json; charset=utf-8"
FHIR_VERSIONS = ("4.0", "4.0.1")
JSON_TYPES = ("application/fhir+json", "application/json", "text/json")
JSON_NAMES = (*JSON_TYPES, "json", "application/json+fhir", "*/*")
FORM = "application/x-www-form-urlencoded"
POSSIBLE = "application/fhir+json (or application/json)"
PATCHABLE = f"{', '.join(FORMATS)} or application/json"


@lru_cache(maxsize=512)
def check_accept(header: str) -> None:
    """Raises `NotAcceptable` unless an Accept header lets JSON through; an empty header accepts everything.

    The most specific range decides, so `application/json;q=0, */*` refuses only plain JSON.
    """
    if not header.strip():
        return
    ranges = [_parsed(part) for part in header.split(",") if part.strip()]
    for media_type in JSON_TYPES[:2]:
        fitting = [
            (specificity, quality)
            for name, parameters, quality in ranges
            if _version_fits(parameters) and (specificity := _specificity(name, media_type))
        ]
        if fitting and max(fitting)[1] > 0:
            return
    raise NotAcceptable.of(
        f"Accept '{header[:200]}' cannot be satisfied; this server answers {POSSIBLE}, fhirVersion 4.0.", "http.Accept"
    )


@lru_cache(maxsize=512)
def check_format(value: str) -> None:
    """Raises `NotAcceptable` unless a `_format` parameter names JSON; `+` may have arrived as a blank."""
    name, parameters, _ = _parsed(value)
    if name.replace(" ", "+") not in JSON_NAMES or not _version_fits(parameters):
        raise NotAcceptable.of(
            f"_format '{value[:100]}' cannot be produced; possible: json, application/fhir+json.", "http._format"
        )


@lru_cache(maxsize=512)
def check_json(header: str) -> None:
    """Raises `UnsupportedMediaType` unless a Content-Type header names FHIR JSON in UTF-8, or is missing."""
    name, parameters, _ = _parsed(header)
    if name and name not in JSON_TYPES:
        raise _unsupported(header, POSSIBLE)
    _check_parameters(header, parameters)


@lru_cache(maxsize=512)
def patch_type(header: str) -> str:
    """The media type of a patch; empty for a missing Content-Type. Raises `UnsupportedMediaType` for any other."""
    name, parameters, _ = _parsed(header)
    if name not in (*FORMATS, *PLAIN_JSON):
        raise _unsupported(header, PATCHABLE, {"Accept-Patch": ", ".join(FORMATS)})
    _check_parameters(header, parameters)
    return name


@lru_cache(maxsize=512)
def check_form(header: str) -> None:
    """Raises `UnsupportedMediaType` unless a Content-Type header names a URL-encoded form, or is missing."""
    name, _, _ = _parsed(header)
    if name and name != FORM:
        raise _unsupported(header, FORM)


def _check_parameters(header: str, parameters: dict[str, str]) -> None:
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8") or not _version_fits(parameters):
        raise _unsupported(header, "application/fhir+json; charset=utf-8; fhirVersion=4.0")


def _unsupported(header: str, possible: str, headers: dict[str, str] | None = None) -> UnsupportedMediaType:
    return UnsupportedMediaType.of(
        f"Content-Type '{header[:100]}' cannot be read here; send {possible}.", "http.Content-Type", headers=headers
    )


def _parsed(text: str) -> tuple[str, dict[str, str], float]:
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
