"""docs/faults.md has a row for each test of the battery, written by the run that measured it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.written_page import ROOT, marks, write, written

PAGE = ROOT / "docs" / "faults.md"
TEST = re.compile(r"`(tests/[\w/]+\.py:test_\w+)` \|$")
INNER = '''
import pytest

pytestmark = pytest.mark.faults

def test_holds(record_property):
    """A | is done."""
    record_property("measured", "3 kills")
    record_property("measured", "none lost")
    record_property("seed", 7)

def test_fails(record_property):
    record_property("measured", "1 lost")
    assert False

@pytest.mark.skip(reason="needs a disk")
def test_is_skipped():
    pass

@pytest.mark.parametrize("case", ["one"])
def test_is_left_out(case):
    pass
'''


def battery() -> dict[str, str]:
    """Return the docstring of each test that is marked `faults`."""
    found = {}
    for file in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        everywhere = any(
            ast.unparse(node.targets[0]) == "pytestmark" and "mark.faults" in ast.unparse(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
        )
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marked = any(ast.unparse(one) == "pytest.mark.faults" for one in node.decorator_list)
                if everywhere or marked:
                    found[f"{file.relative_to(ROOT)}:{node.name}"] = ast.get_docstring(node) or ""
    return found


def test_each_test_of_the_battery_has_a_row_and_each_row_a_test() -> None:
    rows = [TEST.search(line) for line in written(PAGE, "make faults") if line.startswith("| ")][1:]
    assert {row[1] if row else None for row in rows} == set(battery())


def test_each_test_of_the_battery_says_what_it_does() -> None:
    assert [test for test, said in battery().items() if not said.endswith(".") or "\n" in said] == []


@pytest.mark.process
def test_a_run_writes_what_held_what_failed_and_what_was_not_run(tmp_path: Path) -> None:
    page, begin_end = tmp_path / "page.md", marks("make faults")
    page.write_text("\n".join(["before", *begin_end, "after"]), encoding="utf-8")
    (tmp_path / "test_inner.py").write_text(INNER, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = faults\n", encoding="utf-8")
    words = ("-q", "-p", "tests.faults.page", "--page", str(page), "-k", "not left_out", "test_inner.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'container'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    lines = [re.sub(r", \d+ s \|", ", 0 s |", line) for line in written(page, "make faults")]
    assert lines[2:6] == [
        "| A / is done. | 3 kills; none lost | 7 | held, 0 s | `test_inner.py:test_holds` |",
        "|  | 1 lost |  | **FAILED**, 0 s | `test_inner.py:test_fails` |",
        "|  |  |  | skipped: needs a disk, 0 s | `test_inner.py:test_is_skipped` |",
        "| [one] |  |  | not run | `test_inner.py:test_is_left_out` |",
    ]
    assert lines[7] == "4 rows: 1 held, 1 FAILED, 1 skipped, 1 not run."
    assert "1 lost" in done.stdout
    text = page.read_text(encoding="utf-8")
    assert (text.startswith(f"before\n{begin_end[0]}\n|"), text.endswith(f"{begin_end[1]}\nafter")) == (
        True,
        True,
    )


def test_a_page_without_the_marks_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("by hand\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        write(page, "make faults", ["a row"])
    assert page.read_text(encoding="utf-8") == "by hand\n"
