"""A folder read: its tasks, and for each the settings of a recipe with their reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from minbert.errors import UserError, printable, shown
from minbert.files.paths import to_path
from minbert.files.strict_yaml import YamlError, parse_yaml, to_yaml
from minbert.recipe.reading import validate
from minbert.recipe.recipe import TaskRecipe
from minbert.schema_inference.class_list import read_class_list, read_code_names
from minbert.schema_inference.few_rows import choose_dev, choose_for_few_rows, has_few_rows
from minbert.schema_inference.finding_files import FoundTask, find_files
from minbert.schema_inference.found import Ask, Findings, InferredFolder, InferredTask, Question, nobody
from minbert.schema_inference.label_columns import find_id, find_labels, lacks_labels, says_splits
from minbert.schema_inference.label_kinds import infer_kind
from minbert.schema_inference.labels import Labels, gather_labels
from minbert.schema_inference.lengths import choose_length
from minbert.schema_inference.metrics import choose_metric, choose_thresholds
from minbert.schema_inference.new_characters import choose_new_characters
from minbert.schema_inference.pairs import choose_pair
from minbert.schema_inference.schedule import choose_head_start, choose_rate, choose_schedule, choose_turns
from minbert.schema_inference.tables import Column, Table
from minbert.schema_inference.task_tables import further_parts, read_tables, told_unlabelled
from minbert.schema_inference.text_columns import find_texts, leave_out_empty


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
    choose_new_characters(tasks, encoder, settings)
    for few in filter(has_few_rows, tasks):
        choose_for_few_rows(few)
    choose_thresholds(tasks, training)
    choose_rate(tasks, encoder, optimizer)
    choose_turns(tasks, schedule, optimizer)
    choose_head_start(tasks, training)
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
    tables, read_file = read_tables(task, data, findings, remarks)
    train = tables["train"]
    texts = find_texts(tables, findings, ask_of_task)
    row_id = find_id(tables, texts, findings)
    if "dev" in tables and lacks_labels(tables, texts, row_id):
        del tables["dev"]
        remarks.append(told_unlabelled(task))
    columns = find_labels(tables, texts, row_id, findings, ask_of_task)
    parts = further_parts(task, data, read_file, [*texts, *columns], remarks)
    told = read_code_names(tables, parts, columns, remarks) or read_class_list(task.class_list, remarks)
    findings.set("files", {split: task.files[split] for split in tables})
    _tell_unread(tables, findings)
    _tell_unusable(tables, [*texts, *columns], findings)
    leave_out_empty({**tables, **parts}, texts, findings)
    labels = gather_labels(tables, [*parts.values()], columns, told)
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
