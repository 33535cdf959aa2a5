"""What every figure must hold to: nothing clipped, no words over words, every axis named."""

from __future__ import annotations

import io
import itertools
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.text import Text

from minbert.reporting.figure import Figure, svg


def words(figure: Figure) -> list[str]:
    """Return all that is written in the drawing."""
    return [text.get_text() for text in _texts(figure)]


def check(figure: Figure) -> None:
    """Draw the figure and look at it."""
    _check_svg(figure)  # this lays it out; to draw it again to look at it would double the work
    renderer = RendererSVG(*figure.drawing.bbox.size, io.StringIO())
    page = figure.drawing.bbox
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in _texts(figure)]
    for word, box in boxes:
        inside = box.x0 >= page.x0 and box.y0 >= page.y0 and box.x1 <= page.x1 and box.y1 <= page.y1
        assert inside, f"clipped: {word!r} {box}"
    turned = {text.get_text() for text in _texts(figure) if text.get_rotation() not in (0.0, 90.0)}
    for (word, box), (other, other_box) in itertools.combinations(boxes, 2):
        if word in turned and other in turned:
            continue  # boxes of slanted words overlap where the words do not
        across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        down = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert min(across, down) <= 0.72, f"{word!r} over {other!r}"  # a hundredth of an inch
    for axes in figure.drawing.axes:
        if axes.axison:
            _check_names(axes, figure.drawing.axes)
    assert re.fullmatch(r"[\w-]+", figure.name)
    assert figure.title and figure.caption.endswith(".") and figure.alt.endswith(".")


def _check_svg(figure: Figure) -> None:
    text = svg(figure)
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == figure.alt
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids and all(name.startswith(f"figure-{figure.name}-") for name in ids if name)
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)
    assert {one or other for one, other in used} <= set(ids)
    assert "#000000" not in text and "fill: #ffffff" not in text, "black and white do not follow the page"
    assert "currentColor" in text


def _check_names(axes: Axes, all_axes: Sequence[Axes]) -> None:
    """Check that axes of numbers have a name, or that those beneath or to the left of them have it."""
    place = axes.get_position()
    column = [other.get_xlabel() for other in all_axes if abs(other.get_position().x0 - place.x0) < 0.01]
    row = [other.get_ylabel() for other in all_axes if abs(other.get_position().y0 - place.y0) < 0.01]
    for axis, names in ((axes.xaxis, column), (axes.yaxis, row)):
        numbers = [text for text in _tick_labels(axis) if re.fullmatch(r"[−\-\d.,e]+", text.get_text())]
        assert not numbers or any(names), f"an axis without a name: {[text.get_text() for text in numbers]}"


def _tick_labels(axis: Axis) -> list[Text]:
    """Return the labels of those ticks that are in view; matplotlib keeps others, too, and does not draw them."""
    low, high = sorted(axis.get_view_interval())
    room = 1e-6 * (high - low)
    shown = [tick.label1 for tick in axis.get_major_ticks() if low - room <= tick.get_loc() <= high + room]
    return [text for text in shown if text.get_visible() and text.get_text()]


def _texts(figure: Figure) -> list[Text]:
    told: list[Text] = []
    of_axes: set[Text] = set()
    for axes in figure.drawing.axes:
        for axis in (axes.xaxis, axes.yaxis):
            of_axes |= set(axis.findobj(Text))
            if axes.axison:
                told += [*_tick_labels(axis), axis.label]
    others = [text for text in figure.drawing.findobj(Text) if text not in of_axes]
    return [text for text in [*told, *others] if text.get_visible() and text.get_text().strip()]
