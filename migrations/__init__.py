"""The schema's versions (Alembic). `fhir-lab migrate` applies them; `alembic` itself works too, from the checkout."""
