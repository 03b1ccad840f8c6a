"""Composite parameters: parts that hold in one element. https://hl7.org/fhir/R4/search.html#composite

They have no rows of their own: the rows of their components pair within a group (`registry.Component` tells which do
not need to). So `combo-code-value-quantity` never mixes the code of one component with the value of another.
"""
