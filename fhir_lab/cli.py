"""The `fhir-lab` command: it gathers the groups of `fhir_lab.commands` and tells errors in plain sentences."""

import sys

import typer

from fhir_lab.commands import alive, data, demo, doctor, messages, processes, reindex, tokens, users

app = typer.Typer(
    name="fhir-lab",
    help="FHIR Lab: a FHIR R4 server for a diagnostics laboratory. Settings: FHIR_LAB_* (see .env.example).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (demo, processes, data, reindex, tokens, users, messages, doctor, alive):
    group.register(app)


def main(arguments: list[str] | None = None) -> None:
    """The entry point: a known error ends with one line and code 1, anything else with its traceback."""
    try:
        app(arguments)
    except Exception as error:
        from fhir_lab.outcomes import FhirError

        if not isinstance(error, FhirError):
            raise
        print(error, file=sys.stderr)
        sys.exit(1)
