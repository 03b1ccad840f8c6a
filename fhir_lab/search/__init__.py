"""Search: query text to a tree of typed conditions, to SQL and to an in-memory match; and the index both stand on."""
