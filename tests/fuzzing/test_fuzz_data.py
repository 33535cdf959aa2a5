"""Files of data, and folders of them: read, told row by row, or refused by a message."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from damage import Reader, bounded, damaged_bytes, damaged_json_lines
from hypothesis import given
from hypothesis import strategies as st

from minbert.data.row import Problem, Row
from minbert.data.rows import read_rows
from minbert.schema_inference.infer import infer_folder

ROWS = [
    {"text": 'a "good" film', "label": "good", "score": 1.5},
    {"text": "tabs\tand, commas; and | bars", "label": "bad", "score": -3},
    {"text": "naïve 漢字 😀\nin two lines", "label": None, "score": 0},
]


def written(suffix: str) -> bytes:
    """Return some rows as a file of this kind holds them."""
    if suffix == ".parquet":
        stream = io.BytesIO()
        table = pyarrow.table(
            {
                "text": [row["text"] for row in ROWS],
                "label": pyarrow.array([row["label"] for row in ROWS]).dictionary_encode(),
                "score": [float(row["score"]) for row in ROWS],  # type: ignore[arg-type]
                "list": [["a", "b"], [], None],
            }
        )
        pyarrow.parquet.write_table(table, stream, compression="snappy")
        return stream.getvalue()
    if suffix == ".txt":  # fastText's
        return "".join(f"__label__{row['label']} __label__b {row['text']!r}\n" for row in ROWS).encode()
    if suffix == ".jsonl":
        return b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
    delimiter = "\t" if suffix == ".tsv" else ","
    lines = [delimiter.join(ROWS[0])]
    for row in ROWS:
        fields = ["" if value is None else str(value) for value in row.values()]
        lines.append(delimiter.join('"' + field.replace('"', '""') + '"' for field in fields))
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet", ".txt"):
        (folder / f"rows{suffix}").write_bytes(written(suffix))
    (folder / "rows.csv.gz").write_bytes(gzip.compress(written(".csv")))
    return folder


@given(data=st.data())
@bounded(200)
def test_rows(rows: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(path.name for path in rows.iterdir())))
    damaged = damaged_json_lines if name.endswith(".jsonl") else damaged_bytes

    def read(folder: Path) -> None:
        for row in read_rows(folder / name):
            assert isinstance(row, Row | Problem)

    Reader(rows, read).bears(name, data.draw(damaged((rows / name).read_bytes())))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that ``minbert train FOLDER`` would take."""
    folder = tmp_path_factory.mktemp("folder")
    lines = [f"{number}\ta film number {number}\t{'good' if number % 2 else 'bad'}" for number in range(30)]
    for split in ("train", "dev"):
        (folder / f"mood-{split}.tsv").write_text("id\ttext\tlabel\n" + "\n".join(lines) + "\n")
    pairs = [{"a": f"film {number}", "b": "film", "score": number / 6} for number in range(30)]
    (folder / "close.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    codes = pyarrow.table({"text": [f"a film number {number}" for number in range(30)], "label": [0, 1, 2] * 10})
    told = {"info": {"features": {"label": {"names": ["good", "bad", "odd"], "_type": "ClassLabel"}}}}
    codes = codes.replace_schema_metadata({"huggingface": json.dumps(told)})
    pyarrow.parquet.write_table(codes, folder / "codes.parquet")
    (folder / "classes.txt").write_text("0: good\n1: bad\n")
    return folder


@given(data=st.data())
@bounded(40)
def test_folders_of_unknown_files(folder: Path, tiny_encoder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(path.name for path in folder.iterdir())))
    damaged = damaged_json_lines if name.endswith(".jsonl") else damaged_bytes

    def read(folder: Path) -> None:
        str(infer_folder(str(folder), str(tiny_encoder)))

    Reader(folder, read).bears(name, data.draw(damaged((folder / name).read_bytes())))
