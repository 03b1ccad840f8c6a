"""One module per kind of search parameter: `extract` gives the index rows of a node, without parameter and group.

Extractors expect validated values; on a malformed one they raise one of `MALFORMED`, and the caller indexes nothing.
"""

MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
