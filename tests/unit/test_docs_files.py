"""The documentation names files, functions and sections that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import chalicelib
from chalicelib.store.schema import HEAD

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
NAMED = re.compile(r"(?P<file>[\w.-]+(?:/[\w.-]+)+\.(?:py|md|sh|toml|txt|yml|json))(?::(?P<name>[\w.]+))?")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
OF_A_BUNDLE = re.compile(r"(jobs|bin|scripts|requirements)/")


def prose(page: Path) -> str:
    """A page without its blocks of code and output, which show other folders."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_function_that_a_page_names_exists(page: Path) -> None:
    wrong = []
    for code in CODE.findall(prose(page)):
        for named in NAMED.finditer(code):
            file, name = ROOT / named["file"], named["name"]
            if OF_A_BUNDLE.match(named["file"]):
                continue
            if not file.is_file():
                wrong.append(named[0])
            elif name:
                text = file.read_text(encoding="utf-8")
                wrong += [
                    named[0]
                    for part in name.split(".")
                    if not re.search(rf"^\s*(?:async def|def|class) {part}\b", text, re.MULTILINE)
                ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_to_a_file_and_a_section(page: Path) -> None:
    wrong = []
    for target, section in LINK.findall(prose(page)):
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (section and section not in anchors(file)):
            wrong.append(f"{target}#{section}")
    assert wrong == []


def test_the_map_of_the_application_names_every_module_and_folder_at_its_top() -> None:
    top = {path.stem for path in Path(chalicelib.__file__).parent.iterdir() if not path.stem.startswith("_")}
    assert top - set(re.findall(r"\w+", chalicelib.__doc__ or "")) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_prose_has_lines_of_up_to_110_characters(page: Path) -> None:
    lines = [line for line in prose(page).splitlines() if not line.lstrip().startswith(("|", "!["))]
    assert [line for line in lines if len(line) > 110] == []


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for page in PAGES for word in re.findall(r"`make ([a-z-]+)", page.read_text("utf-8"))}
    assert named - targets == set()


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs/index.md"
    linked = {(index.parent / target).resolve() for target, _ in LINK.findall(prose(index))}
    assert {page for page in PAGES if page not in linked} == {index}


def test_the_changelog_names_the_newest_migration() -> None:
    assert f"migrated to schema {HEAD} at the first start" in (ROOT / "CHANGELOG.md").read_text(
        encoding="utf-8"
    )
