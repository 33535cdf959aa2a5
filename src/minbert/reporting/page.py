"""The page: what a report is made of, and how it becomes one HTML file.

Everything that stands on the page goes through a jinja2 template with autoescaping on, so a text, a name or a path of a
user's can never become markup. Only drawings (``figure.svg``, our own) and the page's own style and script are put in
as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from minbert.reporting.figure import svg

if TYPE_CHECKING:
    from minbert.reporting.figure import Figure

GENERATOR = '<meta name="generator" content="minbert report">'
"""What tells a report of ours from any other file."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences."""

    block: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """What the next blocks are about: a heading below the section's."""

    block: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table. The first cell of a row heads it; a line feed in a cell begins a new line."""

    block: ClassVar[str] = "table"
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    words: frozenset[int] = frozenset({0})
    """The columns that hold words and are set from the left; the others hold figures."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure."""

    block: ClassVar[str] = "drawn"
    figure: Figure

    @property
    def svg(self) -> str:
        """The drawing as an element of the page."""
        return svg(self.figure)

    @property
    def width(self) -> float:
        """Its width as it was drawn, in inches."""
        return float(self.figure.drawing.get_size_inches()[0])


@dataclass(frozen=True, slots=True)
class Listing:
    """Text to be unfolded, set as it is."""

    block: ClassVar[str] = "listing"
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """A row that a model answered badly."""

    id: str
    truth: str
    predicted: str
    how_wrong: str
    """The probability given to the true class, or the distance to the true score."""
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class WrongAnswers:
    """The worst answers of a task, which a reader may filter."""

    block: ClassVar[str] = "wrong_answers"
    name: str
    """An id of the page."""
    caption: str
    measure: str
    """What ``how_wrong`` says."""
    rows: Sequence[WrongAnswer]
    classes: bool
    """Whether truth and prediction are classes, so that one can filter by them."""


Block = Paragraph | Heading | Table | Drawn | Listing | WrongAnswers


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page. One without blocks says only what is missing."""

    name: str
    title: str
    blocks: Sequence[Block]
    missing: Sequence[str] = ()
    """What could not be shown, and why; a sentence each."""


@dataclass(frozen=True, slots=True)
class Card:
    """A figure to be seen first."""

    title: str
    score: str
    lines: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class Page:
    """A report."""

    title: str
    subtitle: str
    cards: Sequence[Card]
    notes: Sequence[str]
    """What must be known before anything else is read."""
    sections: Sequence[Section]
    closing: str

    @property
    def figures(self) -> list[Figure]:
        """All figures, in order."""
        return [block.figure for section in self.sections for block in section.blocks if isinstance(block, Drawn)]


def render(page: Page) -> str:
    """Return the page as one HTML file that needs nothing else."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("minbert.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    folder = files("minbert.reporting") / "templates"
    return environment.get_template("page.html").render(
        page=page,
        generator=GENERATOR,
        style=(folder / "page.css").read_text(encoding="utf-8"),
        script=(folder / "page.js").read_text(encoding="utf-8"),
    )
