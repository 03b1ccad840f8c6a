"""Code systems, value sets and concept maps: what their documents mean. Nothing here knows a database or HTTP.

https://hl7.org/fhir/R4/terminologies.html
"""
