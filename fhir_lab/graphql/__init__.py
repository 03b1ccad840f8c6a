"""GraphQL over FHIR: read, search and references in one query. https://hl7.org/fhir/R4/graphql.html

`schema.py` knows the fields of each type from the 4.0.1 tables, `check.py` judges a query before anything is read,
`execute.py` answers it from documents, `data.py` fetches these under the caller's access; `answer.py` is the door.
"""
