"""The code of a job as its revision holds it, read from the checkout that is there: no git and no process.

What a job's entrypoint names is found by reading the file, never by importing it. A command, and a function
without a name of its own, are shown by the definition in the manifest.

Limit: code that a decorator or another module replaces is shown as it is written.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

from sauron_jobs_loader.git.checkouts import Checkouts

MOST_BYTES = 256 * 1024  # of a file that is read
MOST_LINES = 120  # that are returned
COMMAND = "command: "


@dataclass(frozen=True, slots=True)
class JobSource:
    """Lines of a file of a bundle, from `line` on; `more` says how many of them were left out."""

    file: str
    line: int
    text: str
    more: int = 0


def job_source(jobs_dir: Path, subdir: str | None, sha: str, entrypoint: str, place: str) -> JobSource | None:
    """Return the code of a job, None if its revision is not checked out here or the code is not found."""
    top = Checkouts(jobs_dir).path(sha)
    if top is None:
        return None
    folder = (top / (subdir or "")).resolve()
    module, _, name = entrypoint.partition(":")
    named = not entrypoint.startswith(COMMAND) and "<" not in name
    places = (
        [(f"{module.replace('.', '/')}{end}", name, 0) for end in (".py", "/__init__.py")] if named else []
    )
    file, _, line = place.rpartition(":")
    places.append((file, "", int(line) if line.isdecimal() else 0))
    for path, wanted, at in places:
        if found := _found(folder, path, wanted, at):
            return found
    return None


def _found(folder: Path, path: str, name: str, line: int) -> JobSource | None:
    try:
        file = (folder / path).resolve()
        facts = file.stat()
        if not file.is_relative_to(folder) or not file.is_file() or facts.st_size > MOST_BYTES:
            return None
        return _read(file, facts.st_mtime_ns, path, name, line)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


@functools.lru_cache(maxsize=256)
def _read(file: Path, _changed: int, path: str, name: str, line: int) -> JobSource | None:
    text = file.read_text("utf-8", "replace")
    tree = ast.parse(text)
    found = _named(tree, name.split(".")) if name else _statement(tree, line)
    if found is None:
        return None
    first = min([found.lineno, *(one.lineno for one in getattr(found, "decorator_list", ()))])
    lines = text.splitlines()[first - 1 : found.end_lineno]
    return JobSource(path, first, "\n".join(lines[:MOST_LINES]), max(0, len(lines) - MOST_LINES))


def _named(tree: ast.AST, names: list[str]) -> ast.stmt | None:
    """Return the definition that a dotted name means: the last one of a name counts, as when it runs."""
    found: ast.stmt | None = None
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == names[0]:
            found = node
    if found is None or len(names) == 1:
        return found
    return _named(found, names[1:])


def _statement(tree: ast.Module, line: int) -> ast.stmt | None:
    """Return the innermost statement that a line belongs to."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(around, key=lambda node: (node.lineno, -(node.end_lineno or 0)), default=None)
