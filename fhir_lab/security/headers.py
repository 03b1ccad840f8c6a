"""The headers of HTML pages: nothing is loaded from elsewhere, nothing runs inline, nobody frames a page.

https://www.w3.org/TR/CSP3/ https://owasp.org/www-project-secure-headers/
"""

from collections.abc import Mapping

_POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def page_headers(**changes: str) -> dict[str, str]:
    """The security headers of a page; `img_src="'self' data:"` and the like change a directive of its policy."""
    policy = {**_POLICY, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
