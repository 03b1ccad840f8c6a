"""Bulk data: export and import as jobs that a worker does step by step. https://hl7.org/fhir/uv/bulkdata/STU2/"""
