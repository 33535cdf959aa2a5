"""One file a figure, or a family of figures: each a function of plain data that returns a ``Figure``."""
