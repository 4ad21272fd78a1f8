"""A seeded sample of mutants of the product, each run against the tests of its module: `make mutants`.

    make mutants ARGS="--seed 7 --count 40 --module chalicelib/model"

A mutant is one small change of a source file: a comparison flipped or moved by one, a condition negated, a
constant moved by one, a statement or keyword argument left out, a return value lost. It is made in a copy of
the checkout, and the test files that mirror its module or import it are run there. A mutant that no test
notices is printed with file, line and change: either a promise has no test, or the change is harmless. Equal
seeds give equal samples. Exit code 0: every mutant was killed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.sampler import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
PRODUCT = ("chalicelib", "sauron_jobs_loader", "container/sauron")
LEFT_OUT = ("migrations/versions", "/example/", "/templates/", "/compat/")
SECONDS = 240  # for the tests of one mutant; an endless loop is noticed by this


def main() -> int:
    """Make a sample, run it, print what lived."""
    options = _options()
    files = _sources(options.module)
    found = [
        mutant for file in files for mutant in mutants_of(file.relative_to(ROOT), file.read_text("utf-8"))
    ]
    sample = random.Random(options.seed).sample(found, min(options.count, len(found)))  # noqa: S311 - repeatable
    print(f"{len(sample)} of {len(found)} mutants in {len(files)} files, seed {options.seed}", flush=True)
    lived = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "checkout"
        ignored = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".sauron")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
        for number, mutant in enumerate(sample, start=1):
            verdict, seconds = _run(copy, mutant)
            lived += verdict == "lived"
            print(f"{number:3} {verdict:8} {seconds:5.1f} s  {mutant}", flush=True)
    print(f"{len(sample) - lived} killed, {lived} lived")
    return 1 if lived else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description="Run a sample of mutants.")
    parser.add_argument("--seed", type=int, default=1, help="equal seeds give equal samples")
    parser.add_argument("--count", type=int, default=20, help="how many mutants")
    parser.add_argument("--module", default="", help="only files whose path begins so")
    return parser.parse_args()


def _sources(prefix: str) -> list[Path]:
    files = [file for folder in PRODUCT for file in sorted((ROOT / folder).rglob("*.py"))]
    names = {file: str(file.relative_to(ROOT)) for file in files}
    return [
        file
        for file, name in names.items()
        if name.startswith(prefix) and not any(part in name for part in LEFT_OUT)
    ]


def _run(copy: Path, mutant: Mutant) -> tuple[str, float]:
    """Return "killed", "lived" or "untested", and how long that took."""
    file = copy / mutant.file
    original = file.read_text("utf-8")
    tests = find_tests(copy, mutant.file)
    if not tests:
        return "untested", 0.0
    began = time.monotonic()
    file.write_text(mutant.apply(original), "utf-8")
    try:
        return ("lived" if _passes(copy, tests) else "killed"), time.monotonic() - began
    finally:
        file.write_text(original, "utf-8")


def _passes(copy: Path, tests: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": f"{copy}:{copy / 'container'}"}
    process = subprocess.Popen(
        command,
        cwd=copy,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False  # an endless loop is noticed
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def find_tests(root: Path, module: str) -> list[str]:
    """Return the unit and contract test files that import a module of the product."""
    path = module.removeprefix("container/").removesuffix(".py").removesuffix("/__init__")
    dotted = path.replace("/", ".")
    package, _, name = dotted.rpartition(".")
    whole = re.compile(rf"^\s*(from {re.escape(dotted)} import|import {re.escape(dotted)}\b)", re.MULTILINE)
    part = re.compile(rf"^\s*from {re.escape(package)} import [^\n]*\b{re.escape(name)}\b", re.MULTILINE)
    found = []
    for suite in ("unit", "contract"):
        for file in sorted((root / "tests" / suite).rglob("test_*.py")):
            text = file.read_text("utf-8")
            if whole.search(text) or part.search(text):
                found.append(str(file.relative_to(root)))
    return found


if __name__ == "__main__":
    sys.exit(main())
