"""A folder read: its tasks, and for each the settings of a recipe with their reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from minbert.data.header import NoHeaderError
from minbert.data.lines import read_lines
from minbert.errors import UserError, printable, shown
from minbert.files.paths import to_path
from minbert.files.strict_yaml import YamlError, parse_yaml, to_yaml
from minbert.recipe.reading import validate
from minbert.recipe.recipe import TaskRecipe
from minbert.schema_inference.few_rows import choose_dev, choose_for_few_rows, has_few_rows
from minbert.schema_inference.finding_files import FoundTask, find_files
from minbert.schema_inference.first_line import guess_header, row_for_a_header
from minbert.schema_inference.found import Ask, Findings, InferredFolder, InferredTask, Question, nobody
from minbert.schema_inference.label_columns import find_id, find_labels, lacks_labels, says_splits
from minbert.schema_inference.label_kinds import infer_kind
from minbert.schema_inference.labels import Labels, gather_labels
from minbert.schema_inference.lengths import choose_length
from minbert.schema_inference.metrics import choose_metric, choose_thresholds
from minbert.schema_inference.pairs import choose_pair
from minbert.schema_inference.schedule import choose_rate, choose_schedule, choose_turns
from minbert.schema_inference.tables import Column, Table, read_table
from minbert.schema_inference.text_columns import find_texts


def infer_folder(
    folders: str | Path | Sequence[str | Path], encoder: str = "minilm", ask: Ask = nobody
) -> InferredFolder:
    """Return what the files in a folder are, task by task; a file that cannot be read is told and left out.

    Printed, it says what was understood and what is unsure. ``recipe()`` of it is the recipe to train.

    Args:
        folders: where the files are; several are taken together.
        encoder: the recipe's, whose tokens count.
        ask: chooses where readings are equally likely.

    Raises:
        UserError: no task can be made of the files; the message says why of each.
    """
    found = find_files([to_path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders)])
    remarks = list(found.remarks)
    tasks: list[InferredTask] = []
    faults: list[str] = []
    for task in found.tasks:
        try:
            inferred = _infer_task(task, found.data, remarks, ask)
            choose_pair(inferred)
            _check_that_it_loads(inferred)
            tasks.append(inferred)
        except UserError as error:
            told = str(error).removesuffix(".")  # a reader's message begins with the path
            faults.append(told if told.startswith(str(found.data)) else f"{printable(task.files['train'])}: {told}")
    if not tasks:
        raise UserError("no task can be made of these files:\n" + "\n".join(f"  {fault}" for fault in faults))
    remarks += [f"{fault}; left out" for fault in faults]
    settings, schedule, optimizer, training = Findings(), Findings(), Findings(), Findings()
    settings.set("name", encoder)
    tasks = choose_dev(tasks, training, remarks)
    choose_length(tasks, encoder, settings)
    for few in filter(has_few_rows, tasks):
        choose_for_few_rows(few)
    choose_thresholds(tasks, training)
    choose_rate(tasks, encoder, optimizer)
    choose_turns(tasks, schedule, optimizer)
    choose_schedule(tasks, training)
    return InferredFolder(found.data, tasks, settings, schedule, optimizer, training, remarks)


def _infer_task(task: FoundTask, data: Path, remarks: list[str], ask: Ask) -> InferredTask:
    """Return what a task's files show.

    Raises:
        UserError: the train file cannot be read, or its columns make no task.
    """

    def ask_of_task(question: Question) -> int | None:
        return ask(Question(f"{task.name}: {question.text}", question.choices))

    findings = Findings()
    findings.set("files", {})  # the first key of a task
    tables, header = _read_with_header(task, data, findings, remarks)
    train = tables["train"]
    texts = find_texts(tables, findings, ask_of_task)
    row_id = find_id(tables, texts, findings)
    if "dev" in tables and lacks_labels(tables, texts, row_id):
        del tables["dev"]
        remarks.append(_told_unlabelled(task))
    findings.set("files", {split: task.files[split] for split in tables})
    _tell_unread(tables, findings)
    columns = find_labels(tables, texts, row_id, findings, ask_of_task)
    _tell_unusable(tables, [*texts, *columns], findings)
    listed = _listed(task.class_list)
    parts = _further_parts(task, data, [*texts, *columns], header, remarks)
    labels = gather_labels(tables, [*parts.values()], columns, listed)
    infer_kind(labels, findings, ask_of_task)
    choose_metric(labels, findings)
    if parts:
        findings.set("also_train_on", [{"file": file} for file in parts], "further parts of the train file")
    rows = {split: table.rows for split, table in tables.items()}
    rows["train"] += sum(part.rows for part in parts.values())
    unused = [name for name, column in train.columns.items() if column not in (*texts, *columns, row_id)]
    _tell_splits_within(train, unused, findings)
    labelled = _labelled_rows([train, *parts.values()], labels, findings)
    read = list(zip(*(column.values for column in texts), strict=True))
    return InferredTask(task.name, findings, unused, rows, labelled, read)


def _read_with_header(
    task: FoundTask, data: Path, findings: Findings, remarks: list[str]
) -> tuple[dict[str, Table], list[str]]:
    """Return what ``_read`` does, and the names that the columns get where the files have no header.

    Raises:
        UserError: the train file cannot be read.
    """
    left_out: list[str] = []
    try:
        tables = _read(task, data, left_out)
        row = row_for_a_header(tables)
    except NoHeaderError as error:
        row = error.value
    header: list[str] = []
    if row is not None:
        left_out.clear()
        header = guess_header(data / task.files["train"], row, findings)
        tables = _read(task, data, left_out, header)
    remarks += left_out
    return tables, header


def _further_parts(
    task: FoundTask, data: Path, columns: Sequence[Column], header: Sequence[str], remarks: list[str]
) -> dict[str, Table]:
    """Return the further parts of the train file that can be read and have these columns, by their names."""
    parts = {}
    for file in task.more_train:
        try:
            part = read_table(data / file, header)
        except UserError as error:
            remarks.append(f"{str(error).removesuffix('.')}; left out")
            continue
        if lacking := [shown(column.name) for column in columns if column.name not in part.columns]:
            remarks.append(f"{printable(file)}: left out; it has no column {', '.join(lacking)}")
        else:
            parts[file] = part
    return parts


def _labelled_rows(tables: Sequence[Table], labels: Labels, findings: Findings) -> int:
    """Return about how many rows of the train file and its parts have a label, those beyond what was read too."""
    left_out = {name for name, meant in findings.settings.get("labels", {}).items() if meant is None}
    labelled = sum(table.rows for table in tables)
    if len(labels.headers) == 1 and (left_out or "skip_unlabelled" in findings.settings):
        labelled = sum(count for name, count in labels.names.items() if name not in left_out)
    read = sum(table.rows + table.bad for table in tables)
    return round(labelled * sum(table.rows_in_all for table in tables) / read)


def _tell_unread(tables: Mapping[str, Table], findings: Findings) -> None:
    for split, table in tables.items():
        if not table.whole:
            told = f"{table.rows:,} of about {table.rows_in_all:,} rows of the {split} file"
            findings.unsure.append(f"only {told} were looked at")
        if table.bad:
            rows = "1 row" if table.bad == 1 else f"{table.bad:,} rows"
            findings.unsure.append(f"{rows} of the {split} file cannot be read; 'minbert data check' shows which")


def _tell_splits_within(train: Table, unused: Sequence[str], findings: Findings) -> None:
    """Tell of a column by which one file holds the rows of several splits, as STS Benchmark's does."""
    for name in unused:
        if says_splits(train.columns[name]):
            findings.unsure.append(
                f"'{shown(name)}' says which split a row is of, but all rows of the train file are trained on: write "
                "the rows of each split into a file of their own"
            )


def _tell_unusable(tables: Mapping[str, Table], columns: Sequence[Column], findings: Findings) -> None:
    for split, table in tables.items():
        for name in (column.name for column in columns if table.unusable[column.name]):
            findings.unsure.append(
                f"{table.unusable[name]:,} rows of the {split} file hold neither a text nor a list of texts in "
                f"'{shown(name)}', and training refuses that; 'minbert data check' shows them"
            )


def _check_that_it_loads(task: InferredTask) -> None:
    """Read the task's settings as a recipe's reader would.

    Raises:
        UserError: they cannot be used.
    """
    try:
        validate(TaskRecipe, parse_yaml(to_yaml(task.findings.settings)), "")
    except (UserError, YamlError) as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines() if line.startswith("  ")) or str(error)
        raise UserError(f"no recipe can hold what was found: {reason}") from None


def _read(task: FoundTask, data: Path, remarks: list[str], header: Sequence[str] = ()) -> dict[str, Table]:
    """Return the task's files as tables; a dev or test file that cannot be read is left out.

    ``header`` names the columns of files that have no line for that.

    Raises:
        UserError: the train file cannot be read.
    """
    tables = {"train": read_table(data / task.files["train"], header)}
    for split in ("dev", "test"):
        if split in task.files:
            try:
                table = read_table(data / task.files[split], header)
            except UserError as error:
                remarks.append(f"{str(error).removesuffix('.')}; left out")
                continue
            if split == "dev" and len(table.columns) == 1:
                remarks.append(_told_unlabelled(task))
            else:
                tables[split] = table
    return tables


def _told_unlabelled(task: FoundTask) -> str:
    return f"{printable(task.files['dev'])}: left out; it seems to have no labels"


def _listed(path: Path | None) -> list[str]:
    """Return the classes that a file lists, one a line; none where it is no such list."""
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            lines = [line.text.strip() for line in read_lines(file, path)]
            return [line for line in dict.fromkeys(lines) if line]
    except (OSError, UserError):
        return []
