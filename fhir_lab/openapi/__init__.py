"""OpenAPI documents, one per resource type and one for the laboratory's own API, and the pages that show them.

One document for all of R4 would be 1.5 MB and freeze Swagger UI; one per type is about 25 kB.
"""
