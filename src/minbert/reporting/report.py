"""A report from the folders that were named to the page on disk."""

from __future__ import annotations

import gc
import importlib.util
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from minbert.errors import UserError
from minbert.files import write_text
from minbert.files.locks import claimed
from minbert.files.outputs import check_output, new_file
from minbert.reporting.figure import files_of, save
from minbert.reporting.material import Material, System, read_material
from minbert.reporting.page import GENERATOR, Page, Section, render
from minbert.reporting.sections.answers import answers, errors_over_texts
from minbert.reporting.sections.comparison import comparison
from minbert.reporting.sections.cost import cost
from minbert.reporting.sections.errors import worst_errors
from minbert.reporting.sections.learning import curves, weather
from minbert.reporting.sections.reproductions import reproductions
from minbert.reporting.sections.scores import cards, encoder_note, intervals, scores
from minbert.reporting.sections.sweeps import sweeps
from minbert.reporting.sections.what_was_run import what_was_run

DETAILED = 4
"""Of so many systems at most a report shows everything; of the others, scores and cost."""


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """What was written."""

    page: Path
    figures: Path
    figure_count: int
    left_out: list[str]
    """What could not be shown, and why; a sentence each."""


def write_report(folders: Sequence[Path], out: Path, figures: Path | None = None, force: bool = False) -> ReportSummary:
    """Write the page ``out`` on everything in ``folders``, and each of its figures as SVG and PNG.

    ``figures`` is where those go; by default a folder beside the page, called by it. A report that stands at ``out``
    already is replaced with its figures, anything else only by ``force``. The same input gives the same bytes.

    Raises:
        UserError: there is nothing to report on, another file is in the way, matplotlib is not installed, or the disk
            cannot be written to.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("a report needs matplotlib for its figures: pip install 'minbert[report]'.")
    force = force or _is_report(out)
    folder = figures if figures is not None else out.with_name(f"{out.stem}-figures")
    inputs = [] if _is_report(out) else folders
    with new_file(out, inputs, force=force, suffixes=[".html"]), claimed(folder, "--figures"), _collector_off():
        page = make_page(read_material(folders))
        for figure in page.figures:
            for path in files_of(figure, folder):
                check_output(path, force=force, suffixes=[path.suffix])
        for figure in page.figures:
            save(figure, folder)
        write_text(out, render(page))
    left_out = list(dict.fromkeys(line for section in page.sections for line in section.missing))
    return ReportSummary(out, folder, len(page.figures), left_out)


def make_page(material: Material) -> Page:
    """Return the page on what was read."""
    detailed = detailed_systems(material)
    known = intervals(material)
    sections: list[Section] = [
        what_was_run(material, detailed),
        *([reproductions(material)] if material.reproductions else []),
        *([sweeps(material)] if material.sweeps else []),
        scores(material, detailed, known),
        *([comparison(material)] if len(material.systems) > 1 else []),
        curves(detailed),
        weather(detailed),
        answers(detailed),
        errors_over_texts(detailed),
        worst_errors(detailed),
        cost(material),
    ]
    systems = material.systems
    tasks = list(dict.fromkeys(task for system in systems for task in system.tasks))
    runs = sum(len(system.runs) for system in systems)
    name = systems[0].name if len(systems) == 1 else f"{len(systems)} systems"
    counts = [f"{_count(len(tasks), 'task')} ({', '.join(tasks)})", _count(len(systems), "system"), _count(runs, "run")]
    scored = "scores are on dev" if any(run.dev for system in systems for run in system.runs) else "no rows were scored"
    notes = [encoder_note(material)]
    if len(detailed) < len(systems):
        notes.append(
            f"Scores and cost are of all {len(systems)} systems. All else is of {len(detailed)} of them, the first and "
            f"the best of each task: {', '.join(system.name for system in detailed)}. Any other gets a page of its own "
            "by minbert report with its folder alone."
        )
    return Page(
        title=f"minbert report: {name}",
        subtitle=f"{', '.join(counts)}; {scored}.",
        cards=cards(material, known),
        notes=[note for note in notes if note],
        sections=sections,
        closing=f"Made by minbert {version('minbert')}. Each figure is also a file of its own, as SVG and as PNG.",
    )


def detailed_systems(material: Material) -> list[System]:
    """Return the systems to be shown in full: all, or of many the first, the best overall and the best of each task."""
    systems = list(material.systems)
    if len(systems) <= DETAILED:
        return systems
    by_name = {system.name: system for system in systems}
    overall = {name: statistics.fmean(scores) for name, scores in material.overall().items()}
    chosen = [systems[0]]
    for means in (overall, *(measure.means() for measure in material.measures())):
        best = by_name[max(means, key=lambda name: means[name])] if means else systems[0]
        if best not in chosen and len(chosen) < DETAILED:
            chosen.append(best)
    return chosen


@contextmanager
def _collector_off() -> Iterator[None]:
    """Look for no garbage: figures are a million objects, all of which live until the page is written."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _is_report(path: Path) -> bool:
    """Return whether a page that minbert has written stands at ``path``."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(4096)
