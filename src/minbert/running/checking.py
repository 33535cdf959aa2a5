"""``minbert data check``: the files of a recipe, or of a folder, read and reported on."""

from __future__ import annotations

from collections.abc import Sequence

from minbert.data.check import check
from minbert.data.check_report import render
from minbert.data.places import resolve_data
from minbert.data.tally import TokenCounter
from minbert.display.progress import Display
from minbert.encoder.architectures import architecture_of
from minbert.encoder.config_file import read_config
from minbert.encoder.sources import MINILM, find_encoder
from minbert.errors import UserError
from minbert.files.json_text import read_json
from minbert.files.paths import to_path
from minbert.recipe.recipe import load_recipe
from minbert.schema_inference.infer import infer_folder
from minbert.tasks.heads import Pair
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer


def check_source(source: str, data: str | None, encoder: str | None, display: Display) -> tuple[list[str], bool]:
    """Return a report of all files as lines, and whether every row can be used.

    ``source`` is a recipe, or a folder: then the report begins with the tasks that its files are taken for.

    Raises:
        UserError: there is no such recipe or folder, or no task can be made of the folder's files.
    """
    if to_path(source).is_dir():
        if data is not None:
            raise UserError("--data goes with a recipe; a folder is its own.")
        inferred = infer_folder(source, encoder or MINILM)
        recipe, lines = inferred.recipe(), [*str(inferred).splitlines(), ""]
    else:
        recipe, lines = load_recipe(source), []
    folder, tasks = resolve_data(recipe.data if data is None else data), dict(recipe.tasks)
    files = find_encoder(recipe.encoder.name if encoder is None else encoder)
    config = read_config(read_json(files.config), files.config)
    family, tokenizer = architecture_of(config), Tokenizer.from_files(files.folder)
    longest = min(recipe.encoder.max_length, family.longest(config))
    template = family.template(tokenizer)
    counters = {name: _token_counter(task.pair, tokenizer, template) for name, task in tasks.items()}
    metrics = {name: task.metric for name, task in tasks.items()}
    kinds = {name: (task, task.kind) for name, task in tasks.items()}
    with display.counting("checking rows") as bar:
        report = check(kinds, folder, counters, longest, metrics, bar.advance)
    return lines + render(report), not report.problems


def _token_counter(pair: Pair | None, tokenizer: Tokenizer, template: Template) -> TokenCounter:
    alone, joined = template.tokens(1), template.tokens(2)

    def count(firsts: Sequence[str], seconds: Sequence[str] | None) -> list[int]:
        if seconds is None:
            return [length + alone for length in tokenizer.lengths(firsts)]
        first, second = tokenizer.lengths(firsts), tokenizer.lengths(seconds)
        counts = [length + alone for length in first + second] if pair in ("bi", "both") else []
        return counts + ([a + b + joined for a, b in zip(first, second, strict=True)] if pair != "bi" else [])

    return count
