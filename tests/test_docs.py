"""The documentation says what is true: the reference is current, links and commands exist."""

from __future__ import annotations

import re
from pathlib import Path

from laws import each
from minbert.cli.commands_page import commands, with_commands
from minbert.reference.recipes_page import method_lines, recipes_page

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_the_reference_of_recipes_is_current() -> None:
    assert (ROOT / "docs/recipes.md").read_text(encoding="utf-8") == recipes_page(), "run: make reference"


def test_the_list_of_commands_is_current() -> None:
    page = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert page == with_commands(page), "run: make reference"
    assert "| `minbert data check` | Read every file" in page


def test_the_readme_groups_every_command_and_no_other() -> None:
    _, _, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Commands\n")
    section, _, _ = rest.partition("\n## ")
    groups = re.findall(r"^\| \*\*.*$", section, flags=re.MULTILINE)
    named = [words for group in groups for words in re.findall(r"`([^`]+)`", group)]
    assert sorted(named) == sorted(commands())


def test_every_method_has_a_line_and_a_source() -> None:
    lines = method_lines()
    assert sum(not line.startswith(" ") for line in lines) >= 3
    assert all(line.strip() for line in lines)


@each("page", PAGES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@each("page", PAGES)
def test_commands_named_exist(page: Path) -> None:
    from typer.main import get_command

    from minbert.cli.main import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    for first, second in re.findall(r"minbert ([a-z]+)(?: ([a-z]+))?", page.read_text(encoding="utf-8")):
        if first in commands and hasattr(commands[first], "commands") and second:
            assert second in commands[first].commands or first == "recipes", f"minbert {first} {second}"


def test_every_test_named_in_the_docs_exists() -> None:
    text = (ROOT / "docs/how-ours-differs.md").read_text(encoding="utf-8")
    for path in re.findall(r"`(tests/[\w/]+\.py)`", text):
        assert (ROOT / path).exists(), path


def test_every_page_is_in_the_navigation_once() -> None:
    listed = re.findall(r"- ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


@each("page", [page for page in PAGES if page.name != "CHANGELOG.md"])
def test_pages_can_be_read_on_a_terminal(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    rows = [line for line in prose.splitlines() if line.startswith("|")]
    assert not [cell for row in rows for cell in re.split(r"(?<!\\)\|", row) if len(cell.strip()) > 120]
    assert not [line for line in prose.splitlines() if len(line) > 120 and not line.startswith("|")]
