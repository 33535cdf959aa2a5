"""A figure on a page and in files: it follows the page's colours, clashes with no other, and is the same every time."""

from __future__ import annotations

import ast
from pathlib import Path

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from figure_checks import check
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Drawing
from matplotlib.layout_engine import ConstrainedLayoutEngine

import minbert.reporting
from minbert.errors import UserError
from minbert.reporting.figure import Figure, save, svg
from minbert.reporting.style import COLOURS, INK, PAPER, legend_columns, looks, new_drawing, shades, shortened, styled


def figure(name: str = "a", alt: str = "One line.") -> Figure:
    with styled():
        drawing, axes = new_drawing(2.0, width=3.0)
        axes[0, 0].plot([0, 1], [1, 3], label="a $5 b_2", **looks(0))
        axes[0, 0].legend()
        axes[0, 0].set(xlabel="steps", ylabel="loss")
    return Figure(name, "A title", "A caption.", alt, drawing)


def test_on_a_page() -> None:
    check(figure(alt="Less < \"more\" & 'all'."))
    text = svg(figure())
    assert "max-width: 3in" in text and 'viewBox="0 0 216 144"' in text
    assert INK not in text and PAPER not in text
    assert "<style" in text and "#figure-a-figure_1 *{" in text, "a style sheet that holds for the whole page"
    assert text == svg(figure())
    assert text.replace("figure-a-", "figure-b-").count("figure-b-") == svg(figure("b")).count("figure-b-")


def test_files_are_on_white_and_alike(tmp_path: Path) -> None:
    first, second = save(figure(), tmp_path / "one"), save(figure(), tmp_path / "two")
    assert [path.name for path in first] == ["a.svg", "a.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    corner = matplotlib.image.imread(first[1])[0, 0]
    np.testing.assert_array_equal(corner[:3], [1, 1, 1])
    drawing = figure()
    save(drawing, tmp_path / "three")
    assert "#ffffff" not in svg(drawing), "saving left its white behind"


def test_a_figure_is_laid_out_once_and_drawn_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SVG (for page and file) and as PNG: drawing is most of what a report costs."""
    drawing, draws, layouts = figure(), [], []
    draw, execute = Drawing.draw, ConstrainedLayoutEngine.execute

    def counted(self: Drawing, renderer: RendererBase) -> None:
        draws.append(renderer)
        draw(self, renderer)

    def counted_layout(self: ConstrainedLayoutEngine, drawn: Drawing) -> None:
        layouts.append(drawn)
        execute(self, drawn)

    monkeypatch.setattr(Drawing, "draw", counted)
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", counted_layout)
    save(drawing, tmp_path)
    svg(drawing)
    assert len(draws) == 2 and len(layouts) == 1


def test_a_file_is_what_matplotlib_alone_would_write(tmp_path: Path) -> None:
    ours, theirs = figure(), figure()
    save(ours, tmp_path)
    with styled(), matplotlib.rc_context({"svg.hashsalt": "a"}):
        theirs.drawing.savefig(tmp_path / "b.svg", facecolor="white", metadata={"Date": None, "Title": theirs.title})
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save(figure(), tmp_path / "file")


def test_nothing_is_set_for_others_nor_taken_from_them() -> None:
    before = dict(matplotlib.rcParams)
    plain = svg(figure())
    assert dict(matplotlib.rcParams) == before
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9, "text.color": "red"}):
        assert svg(figure()) == plain


def test_no_file_imports_what_is_heavy_at_its_top() -> None:
    for path in Path(minbert.reporting.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            heavy = [name for name in names if name.split(".")[0] in ("matplotlib", "scipy", "torch")]
            assert not heavy, f"{path.name} imports {heavy} before they are needed"


def test_series_differ_in_more_than_colour() -> None:
    series = [looks(index) for index in range(64)]
    assert len({(str(look["color"]), look["marker"], str(look["linestyle"])) for look in series}) == 64
    for kind in ("color", "marker", "linestyle"):
        assert len({str(look[kind]) for look in series[:8]}) == 8


def luminance(colour: object) -> float:
    """Return the relative luminance that WCAG 2 defines."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one: object, other: object) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_ink_can_be_read_on_the_strongest_shade() -> None:
    for page, ink in (("#ffffff", "#1c1e21"), ("#14171b", "#e6e8eb")):
        for colour in COLOURS[:2]:
            red_green_blue, alpha = np.array(shades(colour, 5)(1.0)[:3]), shades(colour, 5)(1.0)[3]
            behind = alpha * red_green_blue + (1 - alpha) * np.array(to_rgb(page))
            assert contrast(behind, ink) >= 4.5
        assert all(contrast(colour, page) >= 2 for colour in COLOURS if colour != INK)


def test_long_names() -> None:
    assert shortened("sentiment", 9) == "sentiment"
    assert shortened("sentiment-of-reviews", 9) == "sent…iews"
    assert len(shortened("x" * 99, 10)) == 10
    assert legend_columns(["a", "b"]) == 2
    assert legend_columns(["x" * 40] * 9) == 1
    FigureCanvasAgg(figure().drawing).draw()
