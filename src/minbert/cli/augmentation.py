"""``minbert augment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minbert.cli.options import SEED, Force, to_count
from minbert.files.paths import to_path


def augment(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", parser=to_path, help="A .tsv, .csv, .jsonl or .parquet file, or - for standard input."
        ),
    ],
    columns: Annotated[list[str], typer.Option("--text", help="Column of the text; give it twice for a pair.")],
    methods: Annotated[
        list[str], typer.Option("--method", help="How to make new rows (see 'minbert methods'); repeatable.")
    ],
    output: Annotated[Path, typer.Option(parser=to_path, help="A new .tsv, .csv, .jsonl or .parquet file.")],
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column of the id; by default 'id' or, without one, the row's number.")
    ] = None,
    copies: Annotated[int | None, typer.Option(parser=to_count, metavar="N", help="New rows a row and method.")] = None,
    seed: Annotated[int, SEED] = 11711,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the methods; repeatable.")
    ] = None,
    only_new: Annotated[bool, typer.Option("--only-new", help="Leave out the rows that are there.")] = False,
    force: Force = False,
) -> None:
    """Write a file's rows with new ones made from them: synonyms, swaps, back translation and the like."""
    from minbert.augmentation.choosing import choose_methods
    from minbert.augmentation.rows import RowAugmenter
    from minbert.augmentation.tables import augment_file
    from minbert.data.row_writer import ROW_FORMATS
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.files.outputs import new_file
    from minbert.machine.device import available_device

    display = Display(terminal(stderr=True))
    with new_file(output, [source], force=force, suffixes=ROW_FORMATS):
        given = [*(settings or []), *([] if copies is None else [f"copies={copies}"])]
        chosen = choose_methods(methods, given)
        with display.counting("augmenting") as bar:
            augmenter = RowAugmenter(seed, available_device())
            summary = augment_file(source, columns, id_column, chosen, output, only_new, augmenter, bar.reached)
    display.note(
        f"{output}: {summary.new:,} new rows of {summary.rows:,}; {summary.dropped:,} that say nothing new are dropped"
    )
