"""The house stays one to live in: small files, small classes, a top that can be read at a glance."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLES = {"chalicelib/settings.py", "chalicelib/store/schema.py"}  # one row, one setting or column
LINES, METHODS, TOP = 300, 20, 8
# The loader's programs log sentences for the authors of jobs.
EVENT = re.compile(r'\blog\.(?:debug|info|warning|error|exception|critical)\(\s*"([^"]*)"')
NAME = re.compile(r"[a-z][a-z_]*\.(?!not_)[a-z][a-z_]*")  # noun.verb_past


def sources() -> list[Path]:
    folders = ("chalicelib", "sauron_jobs_loader", "container")
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what stands in a module or a block; expressions, of which there are many more, hold no class."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield from statements(child)


def faults(file: Path) -> Iterator[str]:
    """Find what makes a file hard to read."""
    text = file.read_text(encoding="utf-8")
    name = str(file.relative_to(ROOT))
    if name not in TABLES and len(text.splitlines()) > LINES:
        yield f"{name} is longer than {LINES} lines"
    if not name.startswith("sauron_jobs_loader/"):
        yield from (
            f"{name}: {event!r} should be named noun.verb_past"
            for event in EVENT.findall(text)
            if not NAME.fullmatch(event)
        )
    for node in statements(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            if len(methods) > METHODS:
                yield f"{name}: {node.name} has {len(methods)} methods"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            if re.match(r"Answers?\b", summary):
                yield f"{name}: {summary!r} should say Return"


@pytest.mark.slow
def test_a_file_is_read_in_one_sitting_and_a_class_has_one_subject() -> None:
    files = sources()
    assert len(files) > 300
    assert [fault for file in files for fault in faults(file)] == []


def test_the_top_of_the_application_is_seen_at_a_glance() -> None:
    files = [file.name for file in (ROOT / "chalicelib").iterdir() if file.is_file()]
    assert len(files) <= TOP, sorted(files)


def test_every_part_of_the_application_but_the_bundle_is_kept_from_the_loader() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (kept,) = [
        one for one in contracts["contracts"] if one.get("forbidden_modules") == ["sauron_jobs_loader"]
    ]
    top = {file.stem for file in (ROOT / "chalicelib").iterdir() if not file.stem.startswith("_")}
    assert set(kept["source_modules"]) == {f"chalicelib.{name}" for name in top - {"bundle"}}


def test_every_folder_of_the_application_says_what_it_is_for() -> None:
    for file in (ROOT / "chalicelib").rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file
