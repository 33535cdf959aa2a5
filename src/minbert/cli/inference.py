"""``minbert evaluate``, ``predict`` and ``encode``: using a trained model."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from minbert.cli.options import Force
from minbert.files.paths import to_path

if TYPE_CHECKING:
    from minbert.display.progress import Display
    from minbert.evaluation.streaming import Answering, Encoding, Total
    from minbert.export.onnx.session import OnnxModel
    from minbert.machine.precision import Precision
    from minbert.multitask.model import MultitaskModel

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a minbert model's id on the hub.")]
Revision = Annotated[
    str | None, typer.Option(help="Of a model on the hub: a branch, a tag or a commit; by default the newest.")
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(help="Number format of matrix products; auto: bf16 where it is faster."),
]
EngineOption = Annotated[
    Literal["torch", "onnx"], typer.Option(help="onnx: RUN is a folder of 'minbert export --to onnx'.")
]


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", parser=to_path, help="A run's folder.")],
    data: Annotated[str | None, typer.Option(help="Folder of the files; by default the run's own.")] = None,
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which labelled split to score.")] = "dev",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the recipe: tasks.TASK.files.test=FILE, named from the data folder; repeatable.",
        ),
    ] = None,
) -> None:
    """Score a run on a labelled split."""
    from minbert.cli import tables
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.running.evaluating import evaluate_run

    display = Display(terminal())
    display.show(tables.scores(evaluate_run(run, data, split, display, settings or []), split))


def predict(
    run: Run,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; for a task on pairs, two of them a pair.")] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            help="Which of the model's tasks; by default the only one, where it has one. Give it again to have "
            "several answered in one pass.",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--input",
            parser=to_path,
            help="A .tsv, .csv, .jsonl or .parquet file, a .txt file with a text a line, or - for standard input.",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--text", help="Column of the text; give it twice for a pair.")
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option("--id", help="Column of the id; by default that of training, or 'id', or else the row's number."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(parser=to_path, help="A new .tsv, .csv, .jsonl or .parquet file; else standard output."),
    ] = None,
    force: Force = False,
    revision: Revision = None,
    precision: PrecisionOption = "auto",
    engine: EngineOption = "torch",
) -> None:
    """Predict one task, or several, for texts given here or for every row of a file (of any size)."""
    from minbert.data.row_writer import ROW_FORMATS
    from minbert.data.rows import told_path
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.errors import UserError
    from minbert.evaluation.streaming import predict_file
    from minbert.files.outputs import new_file
    from minbert.machine.ranks import ranks
    from minbert.run_folder.unfinished import undecided
    from minbert.running.evaluating import text_rows

    if bool(texts) == (source is not None):
        raise UserError("give either texts, or --input FILE; --input - reads a file from standard input.")
    if output is not None and source is None:
        raise UserError("--output goes with --input FILE; answers to texts given here are printed.")
    display = Display(terminal(stderr=True))
    with ExitStack() as held:
        if source is not None and output is not None and ranks().first:
            held.enter_context(new_file(output, [source, to_path(run)], force=force, suffixes=ROW_FORMATS))
        model: Answering = _load_exported(run, revision) if engine == "onnx" else load(run, display, revision)
        number_format = _number_format(precision, engine)
        if note := undecided(to_path(run), model.tasks):
            display.note(note)
        asked = list(dict.fromkeys(tasks)) if tasks else [_only_task(run, model)]
        pairs = _take_pairs(model, asked)
        for name in sorted({*(texts or [])} & {*model.tasks}):
            display.note(f"'{name}' is read as a text; if you mean the task: --task {name}")
        for name in dict.fromkeys(text for text in texts or [] if _is_file_of_rows(text)):
            display.note(f"'{name}' is read as a text; if you mean the file: --input {name}")
        if source is None:
            _predict_given(model, asked, _rows(texts or [], pairs), number_format, display)
            return
        rows = text_rows(run, asked, source, columns or [], id_column)
        if names := ", ".join(filter(None, rows.header)):
            display.note(
                f"{told_path(source)}: CSV and TSV are read by the column names of training ({names}). If the first "
                "line has one of these, it counts as the header"
            )
        if len(rows.columns) != 1 + pairs:
            form = "pairs of texts: give --text twice" if pairs else "single texts: give --text once"
            raise UserError(f"task '{asked[0]}' takes {form}.")
        answered = predict_file(model, asked, rows, output, number_format, display)
        _tell_total(display, answered, model.max_length)
        if output is not None:
            display.note(f"{output}: {answered.rows:,} row{'' if answered.rows == 1 else 's'}")


def _is_file_of_rows(text: str) -> bool:
    """Return whether there is a file of this name that could be read with ``--input``."""
    from minbert.data.rows import FORMATS, format_of

    most = 255  # bytes of a name, and asking for a longer one is an error
    return len(os.fsencode(text)) <= most and format_of(Path(text)) in FORMATS and Path(text).is_file()


def _no_texts(texts: list[str] | None) -> None:
    """Refuse texts on the command line, before options are missed."""
    from minbert.errors import UserError

    if texts:
        raise UserError("encode reads texts from --input FILE only; a file's vectors go to --output FILE.npy.")


def encode(
    run: Run,
    source: Annotated[
        Path, typer.Option("--input", parser=to_path, help="A .tsv, .csv, .jsonl, .parquet or .txt file, or -.")
    ],
    output: Annotated[
        Path, typer.Option(parser=to_path, help="A new .npy file (fp32 numbers alone) or .parquet file (with ids).")
    ],
    column: Annotated[str, typer.Option("--text", help="Column of the text.")] = "text",
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column of the id, for .parquet; by default the row's number.")
    ] = None,
    pooling: Annotated[
        Literal["pooler", "cls", "mean"], typer.Option(help="How token states become one vector.")
    ] = "mean",
    force: Force = False,
    revision: Revision = None,
    precision: PrecisionOption = "auto",
    engine: EngineOption = "torch",
    texts: Annotated[list[str] | None, typer.Argument(hidden=True, is_eager=True, callback=_no_texts)] = None,  # noqa: ARG001
) -> None:
    """Write the sentence vector of every row of a file. RUN is a trained run, not a bare encoder."""
    from minbert.data.text_rows import TextRows
    from minbert.data.vector_writer import VECTOR_FORMATS
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.errors import UserError
    from minbert.evaluation.streaming import encode_file
    from minbert.files.outputs import new_file
    from minbert.machine.ranks import ranks

    if id_column is not None and output.suffix.lower() == ".npy":
        raise UserError("--id: an .npy file holds numbers alone; ids go with --output FILE.parquet.")
    display = Display(terminal(stderr=True))
    with ExitStack() as held:
        if ranks().first:
            held.enter_context(new_file(output, [source, to_path(run)], force=force, suffixes=VECTOR_FORMATS))
        model: Encoding = _load_exported(run, revision) if engine == "onnx" else load(run, display, revision)
        rows = TextRows(source, [column], id_column)
        answered = encode_file(model, rows, output, pooling, _number_format(precision, engine), display)
    _tell_total(display, answered, model.max_length)
    display.note(f"{output}: {answered.rows:,} vectors of {model.hidden_size} numbers")


def _predict_given(
    model: Answering, tasks: list[str], rows: list[str | tuple[str, str]], precision: Precision, display: Display
) -> None:
    """Print what each task says of texts given on the command line."""
    from minbert.cli.tables import predicted
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.evaluation.streaming import predict

    found, read = predict(model, tasks, rows, precision)
    _tell_cut(display, sum(each.truncated() for each in read), sum(map(len, read)), model.max_length)
    _tell_without_text(display, sum(not all(map(str.strip, [row] if isinstance(row, str) else row)) for row in rows))
    for task, answers in found.items():
        title = task if len(tasks) > 1 else None
        table = predicted(rows, answers, model.task(task).kind.ordered, title)
        Display(terminal()).show(table, in_full=True)


def _tell_total(display: Display, answered: Total, longest: int) -> None:
    """Tell what was odd about the rows of a file."""
    _tell_cut(display, answered.cut, answered.sequences, longest)
    _tell_without_text(display, answered.without_text)


def _tell_without_text(display: Display, rows: int) -> None:
    if rows:
        told = "1 row has an empty text. Its" if rows == 1 else f"{rows:,} rows have an empty text. Their"
        display.note(f"{told} answer means nothing")


def _tell_cut(display: Display, cut: int, sequences: int, longest: int) -> None:
    if cut:
        display.note(f"{cut:,} of {sequences:,} sequences are cut to {longest} tokens")


def load(run: str, display: Display, revision: str | None = None) -> MultitaskModel:
    """Return the model of a run, on the device; what to know of it is printed."""
    from minbert.files.paths import to_path
    from minbert.machine.device import available_device
    from minbert.multitask.model import MultitaskModel
    from minbert.run_folder.unfinished import unfinished
    from minbert.together.ensemble_file import check_has_model

    check_has_model(to_path(run), run)
    if note := unfinished(to_path(run)):
        display.note(note)
    return MultitaskModel.from_pretrained(run, revision).to(available_device())


def _load_exported(folder: str, revision: str | None) -> OnnxModel:
    from minbert.errors import UserError
    from minbert.export.onnx.session import OnnxModel

    if revision is not None:
        raise UserError("--revision goes with a model on the hub; --engine onnx reads a folder.")
    return OnnxModel.from_folder(to_path(folder))


def _number_format(precision: Literal["auto", "fp32", "bf16"], engine: Literal["torch", "onnx"]) -> Precision:
    """Return the number format of matrix products that was asked for; an exported model has one, whatever is faster."""
    from minbert.machine.precision import chosen_precision

    if engine == "torch":
        return chosen_precision(precision)
    from minbert.export.onnx.session import check_precision

    exported: Precision = "fp32" if precision == "auto" else precision
    check_precision(exported)
    return exported


def _only_task(run: str, model: Answering) -> str:
    from minbert.errors import UserError

    if len(model.tasks) > 1:
        raise UserError(f"{run}: has several tasks, so name one, or more, with --task: {', '.join(model.tasks)}.")
    return next(iter(model.tasks))


def _take_pairs(model: Answering, tasks: list[str]) -> bool:
    """Return whether these tasks take pairs of texts."""
    from minbert.errors import UserError

    pairs = [task for task in tasks if model.task(task).pair is not None]
    singles = [task for task in tasks if task not in pairs]
    if pairs and singles:
        raise UserError(f"'{singles[0]}' takes single texts and '{pairs[0]}' pairs. Ask them in two calls.")
    return bool(pairs)


def _rows(texts: list[str], pairs: bool) -> list[str | tuple[str, str]]:
    from minbert.errors import UserError

    if not pairs:
        return list(texts)
    if len(texts) % 2:
        raise UserError('this task takes pairs: give an even number of texts, such as "first text" "second text".')
    return list(zip(texts[::2], texts[1::2], strict=True))
