"""Writes `.env.example` from the settings: `python -m tests.support.env_example > .env.example`."""

import textwrap

from fhir_lab.settings import Settings

HEAD = """\
# Every setting of FHIR Lab with its reason. Copy this file to .env and change what you need; a line that starts
# with # keeps the value shown. Environment variables win over the file. A test keeps this list complete.
"""
COMPOSE = """
# Used by docker-compose.yml only: the password of the database it makes, and where the API is reached.
POSTGRES_PASSWORD=change-me
API_PORT=8000
"""


def render() -> str:
    """The text of `.env.example`."""
    parts = [HEAD]
    for name, field in Settings.model_fields.items():
        reason = "\n".join(textwrap.wrap(field.description or "", 118, initial_indent="# ", subsequent_indent="# "))
        parts.append(f"{reason}\n#FHIR_LAB_{name.upper()}={_written(field.default)}\n")
    return "\n".join(parts) + COMPOSE


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    print(render(), end="")
