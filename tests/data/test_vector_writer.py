"""Vectors written some rows at a time are those that numpy and pyarrow read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from minbert.data.vector_writer import vector_writer

IDS = [f"r{n}" for n in range(7)]
VECTORS = np.random.default_rng(3).standard_normal((7, 5)).astype(np.float32)


def write(path: Path, cuts: list[int]) -> None:
    with vector_writer(path, 5) as write_vectors:
        for start, end in zip([0, *cuts], [*cuts, 7], strict=True):
            write_vectors(IDS[start:end], VECTORS[start:end])


@pytest.mark.parametrize("cuts", [[], [1], [3, 6]])
def test_an_npy_file_is_the_one_that_numpy_writes(tmp_path: Path, cuts: list[int]) -> None:
    write(tmp_path / "out.npy", cuts)
    whole = io.BytesIO()
    np.save(whole, VECTORS)
    assert (tmp_path / "out.npy").read_bytes() == whole.getvalue()


def test_an_npy_file_has_room_for_a_count_of_many_digits(tmp_path: Path) -> None:
    with vector_writer(tmp_path / "out.npy", 1) as write_vectors:
        for _ in range(3):
            write_vectors([], np.zeros((400_000, 1), np.float32))
    assert np.load(tmp_path / "out.npy", mmap_mode="r").shape == (1_200_000, 1)


def test_parquet_has_ids_and_vectors_of_one_length(tmp_path: Path) -> None:
    write(tmp_path / "out.parquet", [4])
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table.column("id").to_pylist() == IDS
    assert str(table.schema.field("vector").type).startswith("fixed_size_list<")
    numbers = table.column("vector").combine_chunks().flatten().to_numpy()
    assert np.array_equal(numbers.reshape(-1, 5), VECTORS)


@pytest.mark.parametrize("name", ["out.npy", "out.parquet"])
def test_nothing_is_left_where_the_writing_fails(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyboardInterrupt), vector_writer(tmp_path / name, 5) as write_vectors:
        write_vectors(IDS, VECTORS)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.npy", "out.parquet"])
def test_without_rows_the_width_is_known(tmp_path: Path, name: str) -> None:
    with vector_writer(tmp_path / name, 5):
        pass
    if name == "out.npy":
        assert np.load(tmp_path / name).shape == (0, 5)
    else:
        assert pyarrow.parquet.read_table(tmp_path / name).schema.field("vector").type.list_size == 5
