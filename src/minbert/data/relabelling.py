"""Labels of one task read as those of another."""

from __future__ import annotations

from collections.abc import Mapping

from minbert.tasks.kinds import LabelSettings


class Relabelling:
    """Reads the labels of a file that was made for another task."""

    def __init__(self, mapping: Mapping[str, str], labels: LabelSettings) -> None:
        """Translate by ``mapping``: from a label as the file writes it to one of ``labels``.

        Labels that are numbers are equal as numbers: ``1`` also stands for ``1.0``.

        Raises:
            ValueError: the mapping leads to what is no label of the task, or gives one label of the file twice.
        """
        self.known = ", ".join(mapping)
        self.values: dict[str, float] = {}
        for text, meant in mapping.items():
            if _normal(text) in self.values:
                raise ValueError(f"label '{text}' is given twice")
            self.values[_normal(text)] = labels.parse(meant)

    def parse(self, text: str) -> float:
        """Return the task's label for the file's label ``text``.

        Raises:
            ValueError: the mapping does not have it.
        """
        if _normal(text) not in self.values:
            raise ValueError(f"label '{text}' is none of those that 'labels' translates: {self.known}")
        return self.values[_normal(text)]


def _normal(text: str) -> str:
    """Return one text for all ways to write a number, and any other text without outer white space."""
    try:
        return str(float(text))
    except ValueError:
        return text.strip()
