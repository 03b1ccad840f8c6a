"""Typed errors, and the OperationOutcome that tells them to a client.

Each error says where (`expression`), what was found and what is allowed (`details`).
https://hl7.org/fhir/R4/operationoutcome.html
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Issue:
    """One `OperationOutcome.issue`.

    `code` is a code of https://hl7.org/fhir/R4/valueset-issue-type.html; `expression` holds FHIRPaths
    (`Observation.status`), `http.name` for a parameter or header, or an HL7v2 position (`OBX[3]-5`).
    """

    code: str
    details: str
    expression: tuple[str, ...] = ()
    severity: str = "error"
    diagnostics: str | None = None

    def as_fhir(self) -> dict[str, Any]:
        """This issue as JSON."""
        issue: dict[str, Any] = {"severity": self.severity, "code": self.code, "details": {"text": self.details}}
        if self.diagnostics:
            issue["diagnostics"] = self.diagnostics
        if self.expression:
            issue["expression"] = list(self.expression)
        return issue


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """An OperationOutcome resource with these issues."""
    return {"resourceType": "OperationOutcome", "issue": [issue.as_fhir() for issue in issues]}


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A ` Did you mean 'x'?` for a misspelt name, or an empty string."""
    close = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


@dataclass
class FhirError(Exception):
    """The base of every error a client may see; `status` is the HTTP status it becomes."""

    issues: list[Issue]
    headers: Mapping[str, str] = field(default_factory=dict)
    status: ClassVar[int] = 500
    code: ClassVar[str] = "exception"

    def __post_init__(self) -> None:
        super().__init__("; ".join(issue.details for issue in self.issues))

    @classmethod
    def of(
        cls, details: str, *expression: str, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Self:
        """The error with one issue; `code` defaults to the usual issue type of this error."""
        return cls([Issue(code or cls.code, details, expression)], headers or {})

    def placed(self, where: str) -> Self:
        """The same error with `where` before the expressions of each issue that does not name it already."""
        issues = [
            issue
            if any(path.startswith(where) for path in issue.expression)
            else replace(issue, expression=(where, *issue.expression))
            for issue in self.issues
        ]
        return type(self)(issues, self.headers)

    def outcome(self) -> dict[str, Any]:
        """The OperationOutcome that tells this error."""
        return operation_outcome(self.issues)


class BadRequest(FhirError):
    """The request cannot be understood, or the resource breaks the base specification."""

    status = 400
    code = "invalid"


class Unauthorized(FhirError):
    """No token, or one that is not valid (RFC 6750, section 3.1)."""

    status = 401
    code = "login"


class Forbidden(FhirError):
    """A valid token whose scopes do not reach this far."""

    status = 403
    code = "forbidden"


class NotFound(FhirError):
    """No such resource, version, type or path."""

    status = 404
    code = "not-found"


class MethodNotAllowed(FhirError):
    """The path exists, the method does not; `Allow` says which do."""

    status = 405
    code = "not-supported"


class NotAcceptable(FhirError):
    """None of the formats in Accept or _format can be produced."""

    status = 406
    code = "not-supported"


class Conflict(FhirError):
    """The state of the server forbids it: the resource is referred to, or two writes touch the same resource."""

    status = 409
    code = "conflict"


class Gone(FhirError):
    """The resource, or this version of it, was deleted."""

    status = 410
    code = "deleted"


class PreconditionFailed(FhirError):
    """If-Match names another version, or a condition matches several resources."""

    status = 412
    code = "conflict"


class TooLarge(FhirError):
    """The body exceeds `FHIR_LAB_MAX_BODY_BYTES`."""

    status = 413
    code = "too-long"


class UnsupportedMediaType(FhirError):
    """The body is in a format that this interaction does not read."""

    status = 415
    code = "not-supported"


class Unprocessable(FhirError):
    """A well-formed resource that breaks a rule of this server, such as a reference to nothing."""

    status = 422
    code = "processing"


class TooManyRequests(FhirError):
    """The client asks more often than it may."""

    status = 429
    code = "throttled"


class Unavailable(FhirError):
    """The database or the disk does not answer; trying again later may work."""

    status = 503
    code = "transient"
