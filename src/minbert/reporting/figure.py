"""A figure of a report: what is drawn, and the words without which a drawing says little."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minbert.files import atomic_path, write_text
from minbert.reporting.style import INK, PAPER, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


_WHITE = '<g id="patch_1">(.*?)style="fill: #ffffff"'
"""What is behind the whole of a drawing: its first patch."""


@dataclass(frozen=True)
class Figure:
    """A drawing and its words."""

    name: str
    """File stem: letters, digits, '_' and '-'; unique in a report."""
    title: str
    caption: str
    """Plain text: what is seen and how it was made."""
    alt: str
    """Plain text for who cannot see the drawing: what it shows, with its main numbers."""
    drawing: Drawing

    @cached_property
    def file(self) -> str:
        """The drawing as an SVG file, on white. Drawn once: page and folder show the same."""
        stream = io.StringIO()
        # A date, or ids drawn at random, would make each file differ from the last.
        self._draw(stream, format="svg", metadata={"Date": None, "Title": self.title})
        return stream.getvalue()

    def write_png(self, path: Path) -> None:
        """Write the drawing as a PNG file, on white."""
        self._draw(path, format="png", dpi=200, pil_kwargs={"compress_level": 2})

    def _draw(self, target: Path | io.StringIO, **how: Any) -> None:
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        with styled(), rc_context({"svg.hashsalt": self.name}):
            if (layout := self.drawing.get_layout_engine()) is not None:
                # Once for both files, and without the drawing into nowhere by which savefig would have it laid out.
                FigureCanvasSVG(self.drawing).figure.set_dpi(FigureCanvasSVG.fixed_dpi)  # what texts are measured on
                layout.execute(self.drawing)
                self.drawing.set_layout_engine(None)
            self.drawing.savefig(target, facecolor="white", **how)


def svg(figure: Figure) -> str:
    """Return the drawing as an ``<svg>`` element to put into a page.

    Its background is transparent, its ink is the page's text colour and its paper the page's ``--paper`` (or what the
    browser has for a page's background), so it follows a page from light to dark. It is
    as wide as it was drawn, or as the page where that is narrower, but keeps a width at which it can be read: what it
    stands in should scroll (``overflow-x: auto``). Text is drawn as outlines: it looks the same and
    fits everywhere, whatever fonts are there; ``alt`` is its label. All ids begin with the figure's name.
    """
    text = figure.file
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<(title|metadata)>.*?</\1>", "", body, count=2, flags=re.DOTALL)
    body = re.sub(_WHITE, r'<g id="patch_1">\1style="fill: none"', body, count=1, flags=re.DOTALL)
    prefix = f"figure-{figure.name}-"
    body = body.replace("*{", "#figure_1 *{", 1)  # a style sheet holds for the whole page, not for its drawing alone
    body = re.sub(r'\bid="', f'id="{prefix}', body)
    body = re.sub(r'\bhref="#', f'href="#{prefix}', body)
    body = body.replace("url(#", f"url(#{prefix}").replace("#figure_1 *", f"#{prefix}figure_1 *")
    body = body.replace(INK, "currentColor").replace(PAPER, "var(--paper, Canvas)")
    width, height = (72 * inches for inches in figure.drawing.get_size_inches())  # 72 of its units to an inch
    limits = f"min-width: {0.7 * width / 72:.3g}in; max-width: {width / 72:.3g}in"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'viewBox="0 0 {width:g} {height:g}" style="width: 100%; {limits}; height: auto" '
        f'aria-label="{escape(figure.alt)}">{body}'
    )


def files_of(figure: Figure, folder: Path) -> list[Path]:
    """Return the files that ``save`` writes: ``NAME.svg`` and ``NAME.png``."""
    return [folder / f"{figure.name}.{kind}" for kind in ("svg", "png")]


def save(figure: Figure, folder: Path) -> list[Path]:
    """Write the drawing, on white, into ``folder``; return the paths (see ``files_of``).

    Raises:
        UserError: the folder cannot be written to.
    """
    drawn, raster = files_of(figure, folder)
    write_text(drawn, figure.file)
    with atomic_path(raster) as temporary:
        figure.write_png(temporary)
    return [drawn, raster]
