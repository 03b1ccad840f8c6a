"""Operations: one file per `$operation`, listed in `table.py`.

A handler takes the `Request`, reads what was sent with `Arguments.of(request)`, and answers with a resource or with
`results.parameters(...)`. https://hl7.org/fhir/R4/operations.html
"""
