"""The disks that a crash can leave, by what POSIX says of a few operations."""

from __future__ import annotations

from crashing_disk import Operation, Tree, disks


def left_by(*operations: Operation) -> list[Tree]:
    return list(disks(operations))


def flush(path: str) -> Operation:
    return Operation("flush", path)


TWO_FOLDERS = [Operation("folder", "a"), Operation("folder", "b"), flush("")]
A_FILE = [Operation("write", "a/x", content=b"new!"), flush("a/x"), flush("a")]
LATER = [Operation("write", "later", content=b""), flush("later"), flush("")]


def test_of_a_file_that_is_not_flushed_all_is_there_or_half_or_nothing() -> None:
    contents = [tree.get("x") for tree in left_by(Operation("write", "x", content=b"new!"))]
    assert sorted(contents, key=str) == [None, b"ne", b"new!"]


def test_a_link_is_there_once_the_folder_of_its_new_name_is_flushed() -> None:
    """The folder of the other name has nothing to do with it."""
    link = Operation("link", "a/x", "b/x")
    flushed = left_by(*TWO_FOLDERS, *A_FILE, link, flush("b"), *LATER)
    assert all("b/x" in tree for tree in flushed if "later" in tree)
    other_flushed = left_by(*TWO_FOLDERS, *A_FILE, link, flush("a"), *LATER)
    assert any("b/x" not in tree for tree in other_flushed if "later" in tree)


def test_a_rename_is_done_once_both_folders_are_flushed() -> None:
    rename = Operation("rename", "a/x", "b/x")
    for flushed in ([flush("a")], [flush("b")]):
        left = left_by(*TWO_FOLDERS, *A_FILE, rename, *flushed, *LATER)
        assert any("a/x" in tree for tree in left if "later" in tree)
    left = left_by(*TWO_FOLDERS, *A_FILE, rename, flush("a"), flush("b"), *LATER)
    assert all("b/x" in tree and "a/x" not in tree for tree in left if "later" in tree)


def test_what_was_in_a_folder_is_gone_once_the_folders_removal_is() -> None:
    removed = [Operation("remove", "a/x"), Operation("remove", "a")]
    left = left_by(*TWO_FOLDERS, *A_FILE, *removed, flush(""), *LATER)
    assert all("a" not in tree and "a/x" not in tree for tree in left if "later" in tree)
    left = left_by(*TWO_FOLDERS, *A_FILE, *removed, flush("b"), Operation("write", "b/later"), flush("b"))
    assert any("a/x" in tree for tree in left if "b/later" in tree)
