"""What is cached is there whole or not at all, is made once, and never stands for what has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import pytest

from laws import each
from minbert.errors import UserError
from minbert.files import cache, digests, seals, sha256, states
from minbert.files.cache import cache_folder, cached_folder
from minbert.files.digests import remembered_sha256
from minbert.files.left_overs import partial_path
from minbert.files.locks import claimed_file
from minbert.files.seals import SEAL, broken_seal, seal

HALF = (
    "import os, signal; from minbert.files.cache import cached_folder\n"
    "def make(folder):\n"
    "    (folder / 'half').write_text('x' * 1000)\n"
    "    os.kill(os.getpid(), signal.SIGKILL)\n"
    "cached_folder('things', 'KEY', make)"
)

TICK = 0.02
"""Seconds: more than what a file system's clock moves on at a time."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINBERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_LOOK_AGAIN", 0.01)
    return tmp_path / "cache"


def write(folder: Path) -> None:
    (folder / "whole").write_text("yes")


def never(_folder: Path) -> None:
    raise AssertionError


def test_it_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("MINBERT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_folder() == tmp_path / "other/minbert"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/minbert"


def test_it_is_made_once(own_cache: Path) -> None:
    made: list[str] = []

    def make(folder: Path) -> None:
        made.append(folder.name)
        write(folder)

    folders = [cached_folder("things", key, make) for key in ("a", "b", "a")]
    assert folders == [own_cache / "things" / key for key in ("a", "b", "a")]
    assert len(made) == 2
    assert sorted(path.name for path in (own_cache / "things").iterdir()) == ["a", "b"]


def test_what_fails_leaves_nothing(own_cache: Path) -> None:
    def fail(folder: Path) -> None:
        write(folder)
        raise UserError("no good")

    with pytest.raises(UserError, match="no good"):
        cached_folder("things", "a", fail)
    assert not list((own_cache / "things").iterdir())
    assert (cached_folder("things", "a", write) / "whole").read_text() == "yes"


def test_what_a_killed_process_left_is_collected_whatever_is_made_next(own_cache: Path) -> None:
    subprocess.run([sys.executable, "-c", HALF], env=os.environ, check=False)
    left = [path.name for path in (own_cache / "things").iterdir()]
    assert any(name.endswith(".partial") for name in left) and "KEY" not in left
    cached_folder("things", "other", write)
    assert [path.name for path in (own_cache / "things").glob("*.partial")] == []
    assert not [path for path in (own_cache / "things").iterdir() if path.name.endswith(".partial")]


def test_what_is_being_made_stays_and_what_an_earlier_process_of_the_same_number_made_goes(own_cache: Path) -> None:
    left = partial_path(own_cache / "things/left")
    left.mkdir(parents=True)

    def make(folder: Path) -> None:
        cached_folder("things", "other", write)
        write(folder)

    cached_folder("things", "a", make)
    assert sorted(path.name for path in (own_cache / "things").iterdir()) == ["a", "other"]


def test_a_second_process_waits_for_the_first_and_takes_what_it_made() -> None:
    begun, waited = threading.Event(), threading.Event()

    def slowly(folder: Path) -> None:
        begun.set()
        assert waited.wait(20)
        write(folder)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(cached_folder, "things", "a", slowly)
        assert begun.wait(20)
        second = pool.submit(cached_folder, "things", "a", never, lambda _busy: waited.set())
        assert (second.result() / "whole").read_text() == "yes"
        assert first.result() == second.result()


def test_a_place_that_cannot_be_written_is_told_with_the_variable(own_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match="Set the environment variable MINBERT_CACHE") as caught:
        cached_folder("things", "a", write)
    assert str(caught.value).startswith(str(own_cache))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda file: file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:]),
    "a cut": lambda file: file.write_bytes(file.read_bytes()[:-2]),
    "nothing left": lambda file: file.write_bytes(b""),
    "gone": Path.unlink,
    "a folder in its place": lambda file: (file.unlink(), file.mkdir()),
}


@each("damage", DAMAGES)
@each("name", ["whole", "inner/whole", SEAL])
def test_what_is_damaged_is_told_and_made_anew(
    own_cache: Path, caplog: pytest.LogCaptureFixture, damage: str, name: str
) -> None:
    def make(folder: Path) -> None:
        write(folder)
        (folder / "inner").mkdir()
        write(folder / "inner")

    folder = cached_folder("things", "a", make)
    DAMAGES[damage](folder / name)
    caplog.clear()
    assert cached_folder("things", "a", make) == folder
    [line] = caplog.messages
    assert line.startswith(f"{folder}: is damaged: ") and line.endswith(". It is thrown away and made anew.")
    assert [(folder / place).read_text() for place in ("whole", "inner/whole")] == ["yes", "yes"]
    cached_folder("things", "a", never)
    assert [path.name for path in (own_cache / "things").iterdir()] == ["a"]
    shutil.rmtree(own_cache)


def test_what_no_run_has_made_counts_as_damaged(own_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    (own_cache / "things/a/more").mkdir(parents=True)
    (own_cache / "things/b").write_text("")
    for key in ("a", "b"):
        assert (cached_folder("things", key, write) / "whole").read_text() == "yes"
    (own_cache / "things/a/more").write_text("")
    cached_folder("things", "a", write)
    assert ["it has no checksums" in line for line in caplog.messages] == [True, True, False]
    assert "more is not its own" in caplog.messages[2]


@pytest.mark.parametrize("leads_to_something", [True, False])
def test_a_link_that_is_damaged_goes_and_what_it_leads_to_stays(
    own_cache: Path, tmp_path: Path, leads_to_something: bool
) -> None:
    elsewhere = tmp_path / "elsewhere"
    if leads_to_something:
        elsewhere.mkdir()
        (elsewhere / "notes").write_text("mine")
    (own_cache / "things").mkdir(parents=True)
    (own_cache / "things/a").symlink_to(elsewhere)
    folder = cached_folder("things", "a", write)
    assert not folder.is_symlink() and (folder / "whole").read_text() == "yes"
    assert [path.name for path in (own_cache / "things").iterdir()] == ["a"]
    assert not leads_to_something or (elsewhere / "notes").read_text() == "mine"


def test_what_is_damaged_and_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    (cached_folder("things", "a", write) / "whole").write_text("no")

    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UserError, match="things/a: is damaged and cannot be removed"):
        cached_folder("things", "a", write)


def test_nobody_else_may_look_into_it(own_cache: Path) -> None:
    cached_folder("things", "a", write)
    assert own_cache.stat().st_mode & 0o777 == 0o700


def unused_for(folder: Path, days: float) -> None:
    then = time.time() - days * 24 * 60 * 60
    os.utime(folder / SEAL, (then, then))


def test_what_no_run_uses_goes_when_something_new_is_made(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, used, unused = (cached_folder("things", key, write) for key in ("kept", "used", "unused"))
    mine = own_cache / "mine/notes"
    mine.mkdir(parents=True)
    os.utime(mine, (0, 0))
    for folder, days in ((kept, 29.9), (used, 31), (unused, 31)):
        unused_for(folder, days)
    cached_folder("things", "used", never)
    assert unused.is_dir()  # where nothing is written, nothing goes
    cached_folder("others", "new", write)
    assert sorted(path.name for path in (own_cache / "things").iterdir()) == ["kept", "used"]
    assert mine.is_dir()
    monkeypatch.setenv("MINBERT_CACHE_DAYS", "29")
    cached_folder("others", "newer", write)
    assert [path.name for path in (own_cache / "things").iterdir()] == ["used"]


def test_what_another_process_is_making_anew_does_not_go() -> None:
    folder = cached_folder("things", "a", write)
    unused_for(folder, 31)
    with claimed_file(folder):
        cached_folder("others", "new", write)
    assert folder.is_dir()


@each("days", ["0", "-1", "1.5", "many"])
def test_days_that_are_none_are_told(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("MINBERT_CACHE_DAYS", days)
    with pytest.raises(UserError, match=f"MINBERT_CACHE_DAYS={days}: must be a whole number of days, 1 or more"):
        cached_folder("things", "a", write)


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file counts as a large one that was written a while ago."""
    monkeypatch.setattr(states, "LARGE", 1)
    monkeypatch.setattr(states, "_SETTLED", -(10**12))


@pytest.fixture
def sealed(all_large: None, tmp_path: Path) -> Path:  # noqa: ARG001
    """A sealed folder with a large file."""
    folder = tmp_path / "sealed"
    folder.mkdir()
    write(folder)
    seal(folder)
    return folder


def checksums(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list to which is added what checksums are computed of."""
    read: list[bytes] = []

    def counted(content: bytes, before: int) -> int:
        read.append(content)
        return crc32(content, before)

    monkeypatch.setattr(seals.zlib, "crc32", counted)
    return read


def test_a_large_sealed_file_is_not_read_again_while_it_is_the_same(
    sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = checksums(monkeypatch)
    assert [broken_seal(sealed) for _ in range(3)] == [None] * 3
    assert read == []


def test_damage_of_a_large_sealed_file_that_keeps_size_and_time_of_modification_is_found(sealed: Path) -> None:
    stat = (sealed / "whole").stat()
    time.sleep(TICK)
    (sealed / "whole").write_text("yet")
    os.utime(sealed / "whole", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert [broken_seal(sealed) for _ in range(2)] == ["the checksum of whole is another"] * 2


def test_a_copy_of_a_sealed_folder_is_read_once_more(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(sealed, tmp_path / "copy")
    read = checksums(monkeypatch)
    assert [broken_seal(copy) for _ in range(3)] == [None] * 3
    assert read == [b"yes"]


def test_a_file_sealed_in_the_moment_of_a_change_is_read_until_it_has_settled(
    all_large: None,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tmp_path)
    read = checksums(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(states, "_SETTLED", 10**12)
        seal(tmp_path)
        assert [broken_seal(tmp_path) for _ in range(2)] == [None] * 2
        assert len(read) == 3
    assert [broken_seal(tmp_path) for _ in range(2)] == [None] * 2
    assert len(read) == 4


def test_a_change_while_a_file_is_sealed_is_found(
    all_large: None,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tmp_path)
    time.sleep(TICK)

    def changed(content: bytes, before: int) -> int:
        (tmp_path / "whole").write_text("yet")
        return crc32(content, before)

    with monkeypatch.context() as patch:
        patch.setattr(seals.zlib, "crc32", changed)
        seal(tmp_path)
    assert broken_seal(tmp_path) == "the checksum of whole is another"


@pytest.fixture
def large(all_large: None, tmp_path: Path) -> Path:  # noqa: ARG001
    """A large file."""
    path = tmp_path / "large.txt"
    path.write_text("one content")
    return path


def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return sha256(path)

    monkeypatch.setattr(digests, "sha256", counted)
    return read


def test_a_file_is_not_read_again_while_it_is_the_same(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = readings(monkeypatch)
    assert {remembered_sha256(large) for _ in range(3)} == {sha256(large)}
    assert len(read) == 1


def test_a_change_that_keeps_size_and_time_of_modification_is_seen(large: Path) -> None:
    remembered_sha256(large)
    stat = large.stat()
    large.write_text("two content")
    os.utime(large, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (large.stat().st_size, large.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert remembered_sha256(large) == sha256(large)


def test_another_file_in_its_place_is_seen(large: Path, tmp_path: Path) -> None:
    remembered_sha256(large)
    other = tmp_path / "other"
    other.write_text("two content")
    stat = large.stat()
    other.replace(large)
    os.utime(large, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert remembered_sha256(large) == sha256(large)


def test_a_file_that_changed_a_moment_ago_is_read_again(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "_SETTLED", 2 * 10**9)
    read = readings(monkeypatch)
    for _ in range(2):
        remembered_sha256(large)
    assert len(read) == 2


def test_a_damaged_memory_is_not_believed(own_cache: Path, large: Path, caplog: pytest.LogCaptureFixture) -> None:
    digest = remembered_sha256(large)
    [memory] = (own_cache / "digests").iterdir()
    about = memory / "about.json"
    about.write_text(about.read_text().replace(digest, digest[::-1]))
    assert remembered_sha256(large) == digest
    assert "is thrown away and made anew" in caplog.text


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    own_cache: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = iter(["two content", "three contents"])

    def change(path: Path) -> str:
        large.write_text(next(contents))
        return sha256(path)

    monkeypatch.setattr(digests, "sha256", change)
    assert remembered_sha256(large) == sha256(large)
    assert not list((own_cache / "digests").iterdir())


def test_without_a_cache_files_are_read(tmp_path: Path, large: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert remembered_sha256(large) == sha256(large)
