"""The report: one file that holds up in a browser whatever is in the runs, and says what it leaves out."""

from __future__ import annotations

import gc
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import recipe_of, write_run

from command_line import complains, minbert
from minbert.errors import UserError
from minbert.evaluation.answers import Answers
from minbert.evaluation.intervals import score_interval
from minbert.files import write_json
from minbert.recipe.recipe import load_recipe
from minbert.reporting.material import read_material
from minbert.reporting.page import render
from minbert.reporting.report import DETAILED, detailed_systems, make_page, write_report
from minbert.reporting.sections.errors import WORST, worst_rows
from minbert.reporting.sections.what_was_run import differences, settings_of, shipped_base
from minbert.tasks.predictions import Predictions
from minbert.together.ensemble_file import EnsembleFile, EnsembleMember, write_ensemble

HOSTILE = '<script>alert("x")</script> & \'<img src="http://evil.example/x.png">'
VOID = {"meta", "input", "br", "img", "link", "hr"}


class Parsed(HTMLParser):
    """Every tag with its attributes, the headings, the text; fails where a tag is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings.append((int(self.open[-1][1]), data))

    def all(self, name: str) -> list[str]:
        """Return every value of an attribute."""
        return [value for _, attributes in self.tags for key, value in attributes.items() if key == name and value]


@pytest.fixture
def hostile(two_tasks: dict[str, Any]) -> dict[str, Any]:
    """The recipe of two tasks with markup in texts, classes, ids and description."""
    data = Path(two_tasks["data"])
    for split in ("train", "dev", "test"):
        lines = (data / f"mood-{split}.tsv").read_text().splitlines()
        changed = [lines[0], *(re.sub(r"^(\S+)\t", rf"<i>\1\t{HOSTILE} ", line) for line in lines[1:])]
        (data / f"mood-{split}.tsv").write_text("\n".join(changed) + "\n")
    two_tasks["tasks"]["mood"]["classes"] = ["<b>bold</b>", "</td></table>", "$x_1$"]
    two_tasks["description"] = HOSTILE
    return two_tasks


def page_of(out: Path) -> Parsed:
    return Parsed(out.read_text(encoding="utf-8"))


def test_the_page_is_one_well_formed_file_and_texts_stay_texts(hostile: dict[str, Any], tmp_path: Path) -> None:
    run = write_run(tmp_path / "<u>run & 1", recipe_of(hostile), skill=0.3)
    out = tmp_path / "report.html"
    summary = write_report([run], out, None)
    page = page_of(out)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [tag for tag, _ in page.tags if tag in ("img", "link", "iframe", "u", "i", "b")]
    text = " ".join(page.text)
    for word in (HOSTILE, "<b>bold</b>", "</td></table>", "$x_1$", "<u>run & 1"):
        assert word in text, word
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert "http" not in " ".join([*page.all("src"), *page.all("href"), *page.all("xlink:href")])
    assert not re.search(r"url\((?!#)|@import", out.read_text())
    assert all(target[1:] in ids for target in page.all("href") + page.all("xlink:href"))
    assert all(place in ids for place in page.all("aria-labelledby"))
    assert page.tags[0] == ("html", {"lang": "en"})
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(drawings) == summary.figure_count > 4
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)
    files = {path.suffix: 0 for path in summary.figures.iterdir()}
    assert files.keys() == {".svg", ".png"}
    assert len(list(summary.figures.iterdir())) == 2 * summary.figure_count


def test_headings_go_down_one_level_at_a_time(
    two_tasks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minbert.reporting.page.svg", lambda figure: f"<svg id='drawn-{figure.name}'></svg>")
    runs = [write_run(tmp_path / str(seed), recipe_of(two_tasks, seed=seed, description=str(seed))) for seed in (1, 2)]
    page = Parsed(render(make_page(read_material(runs))))
    levels = [level for level, _ in page.headings]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert 3 in levels
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.all("id")) == len(set(page.all("id")))  # names of figures are unique over systems


def test_every_section_is_there_or_says_why_it_is_empty(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", recipe_of(two_tasks))
    page = make_page(read_material([run]))
    assert [section.name for section in page.sections] == [
        "what-was-run",
        "scores",
        "learning-curves",
        "gradients",
        "answers",
        "errors-by-text",
        "worst-errors",
        "cost",
    ]
    assert all(section.blocks or section.missing for section in page.sections)
    assert [section.name for section in page.sections if not section.blocks] == ["gradients"]  # losses are summed


def test_the_same_runs_give_the_same_bytes(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    del two_tasks["tasks"]["close"]
    run = write_run(tmp_path / "run", recipe_of(two_tasks))
    out = tmp_path / "report.html"
    written = []
    for _ in range(2):
        summary = write_report([run], out, None)
        written.append({path.name: path.read_bytes() for path in [out, *summary.figures.iterdir()]})
    assert written[0] == written[1]


def test_no_garbage_is_collected_while_figures_are_drawn(
    two_tasks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object) -> None:
        assert not gc.isenabled()
        raise UserError("the disk is full")

    monkeypatch.setattr("minbert.reporting.report.save", draw)
    with pytest.raises(UserError, match="the disk is full"):
        write_report([write_run(tmp_path / "run", recipe_of(two_tasks))], tmp_path / "report.html")
    assert gc.isenabled()


def test_scores_have_the_intervals_of_their_answers(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    recipes = [recipe_of(two_tasks, seed=seed) for seed in (1, 2)]
    folders = [write_run(tmp_path / "both" / f"seed-{recipe.seed}", recipe) for recipe in recipes]
    material = read_material([tmp_path / "both"])
    (system,) = material.systems
    assert [run.folder for run in system.runs] == folders
    interval = score_interval("classification", "accuracy", [run.answers["mood"] for run in system.runs])
    table = next(block for block in make_page(material).sections[1].blocks if block.block == "table")
    assert f"[{interval.low:.3f}, {interval.high:.3f}]" in table.rows[1][2]
    assert table.rows[1][2].startswith(f"{interval.score:.3f} ± ")


def test_an_unfinished_run_is_shown_as_far_as_it_got(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", recipe_of(two_tasks), finished=False)
    summary = write_report([run], tmp_path / "report.html", None)
    told = "\n".join(summary.left_out)
    assert "is not finished (last evaluated at step 6)" in told
    assert "No answers to dev are kept: run." in told
    assert "what training costs is not known" in told
    assert "learning-curves" in (tmp_path / "report.html").read_text()


def test_an_unfinished_seed_does_not_count_beside_finished_ones(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    done = write_run(tmp_path / "x" / "seed-1", recipe_of(two_tasks, seed=1))
    write_run(tmp_path / "x" / "seed-2", recipe_of(two_tasks, seed=2), finished=False)
    (system,) = read_material([tmp_path / "x"]).systems
    score = json.loads((done / "metrics.json").read_text())["dev"]["mood"]["accuracy"]
    assert system.scores("mood", "accuracy") == [score]


@pytest.mark.parametrize(
    "name", ["metrics.json", "history.jsonl", "answers/mood-dev.parquet", "answers/close-dev.parquet"]
)
@pytest.mark.parametrize("damage", ["gone", "cut", "empty"])
def test_missing_and_damaged_files_are_told(two_tasks: dict[str, Any], tmp_path: Path, name: str, damage: str) -> None:
    run = write_run(tmp_path / "run", recipe_of(two_tasks))
    path = run / name
    whole = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    material = read_material([run])
    page = make_page(material)
    missing = [line for section in page.sections for line in section.missing]
    if damage != "gone" and (name, damage) != ("history.jsonl", "empty"):
        assert any(str(path) in line for line in missing), missing
    assert len(missing) > 1  # beside the weather, which summed losses do not have


def test_texts_that_are_not_the_same_any_more_are_not_shown(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", recipe_of(two_tasks))
    file = Path(two_tasks["data"]) / "mood-dev.tsv"
    text = file.read_text()
    file.write_text(re.sub(r"\t0$", "\t1", text, count=1, flags=re.MULTILINE))
    sections = {section.name: section for section in make_page(read_material([run])).sections}
    assert any("mood: the texts cannot be read again" in line for line in sections["worst-errors"].missing)
    assert [block.name for block in sections["worst-errors"].blocks] == ["worst-run-close"]
    file.unlink()
    sections = {section.name: section for section in make_page(read_material([run])).sections}
    assert any("no such file" in line or "cannot be read again" in line for line in sections["errors-by-text"].missing)


def test_scores_on_other_rows_are_not_set_side_by_side(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", recipe_of(two_tasks, description="one"))
    file = Path(two_tasks["data"]) / "mood-dev.tsv"
    lines = file.read_text().splitlines()
    (file.parent / "half-dev.tsv").write_text("\n".join(lines[:6]) + "\n")
    two_tasks["tasks"]["mood"]["files"]["dev"] = "half-dev.tsv"
    two = write_run(tmp_path / "two", recipe_of(two_tasks, description="two"))
    page = make_page(read_material([one, two]))
    assert [card.title for card in page.cards] == ["mood, accuracy", "mood (half-dev.tsv), accuracy", "close, pearson"]
    comparison = next(section for section in page.sections if section.name == "comparison")
    assert not comparison.blocks
    assert "other dev rows" in comparison.missing[0]


def test_folders_may_be_given_from_here(
    two_tasks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        write_run(tmp_path / name, recipe_of(two_tasks, description=name))
    monkeypatch.chdir(tmp_path)
    page = make_page(read_material([Path("one"), Path("two")]))
    comparison = next(section for section in page.sections if section.name == "comparison")
    assert comparison.blocks and not comparison.missing


def test_of_many_systems_the_first_and_the_best_are_shown_in_full(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    for number in range(DETAILED + 3):
        write_run(tmp_path / "all" / f"s{number}", recipe_of(two_tasks, description=str(number)), skill=number / 4)
    material = read_material([tmp_path / "all"])
    names = [system.name for system in detailed_systems(material)]
    assert names[0] == "s0"
    assert len(names) <= DETAILED
    for measure in material.measures():
        means = measure.means()
        assert max(means, key=lambda name: means[name]) in names
    assert any(f"all {DETAILED + 3} systems" in note for note in make_page(material).notes)


def test_worst_are_those_that_gave_the_truth_least() -> None:
    labels = np.array([0.0, 1, 0, 1])
    yes = np.array([0.9, 0.2, 0.4, 0.45])
    answers = Answers(list("abcd"), labels, Predictions((yes >= 0.5) * 1.0, np.stack([1 - yes, yes], 1), ["0", "1"]))
    assert worst_rows(answers, classes=True) == [0, 1, 3]
    scores = Answers(list("abcd"), labels, Predictions(np.array([0.0, 3, 1, 1.5]), None, []))
    assert worst_rows(scores, classes=False) == [1, 2, 3]
    many = Answers([str(n) for n in range(50)], np.zeros(50), Predictions(np.ones(50), None, []))
    assert worst_rows(many, classes=False) == list(range(WORST))


def test_an_ensemble_is_reported_even_when_its_runs_are_gone(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", recipe_of(two_tasks))
    both = tmp_path / "both"
    both.mkdir()
    (run / "answers").rename(both / "answers")
    metrics = json.loads((run / "metrics.json").read_text())
    write_json(both / "metrics.json", {"dev": metrics["dev"], "weights": "uniform", "members": {}})
    member = EnsembleMember(run=str(tmp_path / "gone"), weight=1.0)
    write_ensemble(both, EnsembleFile(tasks={"mood": [member], "close": [member]}))
    page = make_page(read_material([both]))
    assert [card.title for card in page.cards] == ["mood, accuracy", "close, pearson"]
    assert "95 % interval" in page.cards[0].lines[0]
    assert any("its runs are not where they were" in line for line in page.sections[0].missing)


def test_minilm_always_comes_with_its_note(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", recipe_of(two_tasks, encoder={"name": "minilm"}))
    assert any("Quora" in note for note in make_page(read_material([run])).notes)


def test_settings_that_differ_are_told_by_their_keys(two_tasks: dict[str, Any]) -> None:
    one = recipe_of(two_tasks)
    other = recipe_of(two_tasks, combination={"name": "gradnorm", "alpha": 0.5}, seed=3, training={"epochs": 7})
    del two_tasks["tasks"]["close"]
    fewer = recipe_of(two_tasks)
    found = differences(settings_of(one), settings_of(other))
    assert found["combination"] == ("sum", "{name: gradnorm, alpha: 0.5}")
    assert found["training.epochs"] == ("2", "7")
    assert "seed" not in found
    assert differences(settings_of(one), settings_of(fewer))["tasks.close"][1] == "–"
    assert differences(settings_of(one), settings_of(one)) == {}


def test_a_recipe_is_shown_by_what_differs_from_the_shipped_one() -> None:
    recipe = load_recipe("phan/2-finetuned", {"data": "sample", "training.epochs": 3})
    base = shipped_base(recipe)
    assert base is not None
    assert base[0] == "phan/2-finetuned"
    assert differences(settings_of(base[1]), settings_of(recipe)).keys() == {"data", "training.epochs"}


def test_what_stands_at_out_is_kept_unless_it_is_a_report(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", recipe_of(two_tasks))
    out = tmp_path / "thesis.html"
    out.write_text("<p>years of work</p>")
    with pytest.raises(UserError, match="exists already"):
        write_report([run], out, None)
    assert out.read_text() == "<p>years of work</p>"
    with pytest.raises(UserError, match="is a folder"):
        write_report([run], tmp_path, None)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    for folder, told in ((tmp_path / "nowhere", "no such folder"), (tmp_path, "no run of minbert's")):
        complains(minbert("report", folder, "--out", tmp_path / "report.html"), told)
        assert not (tmp_path / "report.html").exists()


def test_without_matplotlib_it_says_what_to_install(
    two_tasks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run", recipe_of(two_tasks))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 'minbert\[report\]'"):
        write_report([run], tmp_path / "report.html", None)


def test_a_sweep_brings_its_table(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    sweep = tmp_path / "lr"
    rows = []
    for rate, score in ((1e-3, 0.5), (1e-4, 0.6)):
        name = f"learning_rate={rate:g}"
        write_run(sweep / name, recipe_of(two_tasks, optimizer={"learning_rate": rate}))
        spread = {"mean": score, "sd": None, "n": 1}
        rows.append(
            {
                "name": name,
                "changes": {"optimizer.learning_rate": rate},
                "values": {"optimizer.learning_rate": rate},
                "runs": [name],
                "state": "finished",
                "scores": {"overall": spread},
                "difference": None,
                "train_seconds": 3.0,
            }
        )
    results = {"score": "overall", "keys": {"optimizer.learning_rate": 1e-3}, "best": rows[1]["name"], "base": None}
    write_json(sweep / "sweep.json", {**results, "configurations": rows, "runs": []})
    page = make_page(read_material([sweep]))
    section = next(section for section in page.sections if section.name == "sweeps")
    table = next(block for block in section.blocks if block.block == "table")
    assert [row[0] for row in table.rows] == ["learning_rate=0.0001 (best)", "learning_rate=0.001"]
    assert any(block.block == "drawn" for block in section.blocks)
    assert sorted(system.name for system in read_material([sweep]).systems) == sorted(row["name"] for row in rows)
