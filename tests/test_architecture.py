"""The floors of docs/architecture.md: a file imports only from floors below, or from its own room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import minbert

PACKAGE = Path(minbert.__file__).parent
FLOORS = [
    {"errors", "packed", "randomness"},
    {"files", "methods", "display"},
    {"machine", "text", "hub"},
    {"encoder", "optim"},
    {"tasks"},
    {"data", "multitask", "tracking"},
    {"training", "augmentation"},
    {"evaluation"},
    {"recipe"},
    {"run_folder"},
    {"pretraining", "together", "schema_inference"},
    {"running", "reference", "export", "serving"},
    {"reproduction", "sweeping", "comparing"},
    {"reporting"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" if node.module == "minbert" else node.module for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("minbert."))


def test_every_room_has_a_floor() -> None:
    homeless = {room_of(path) for path in SOURCES} - FLOOR_OF.keys()
    assert not homeless, f"give a floor, here and in docs/architecture.md, to: {', '.join(sorted(homeless))}"


def test_imports_only_from_floors_below() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in SOURCES
        for other in imported_rooms(path.read_text(encoding="utf-8"))
        if other != room_of(path) and FLOOR_OF[other] >= FLOOR_OF[room_of(path)]
    ]
    assert not wrong, "\n".join(wrong)


def test_a_file_can_be_read_in_one_sitting() -> None:
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES
    }
    assert not {path: length for path, length in lengths.items() if length > 300}


def test_the_import_finder_sees_every_form() -> None:
    source = (
        "import minbert.training.loop\nfrom minbert import recipe\nfrom minbert.tasks.heads import Head\nimport torch"
    )
    assert list(imported_rooms(source)) == ["training", "recipe", "tasks"]
