"""One file a section of the report: each is a function from what was read to a ``Section``."""
