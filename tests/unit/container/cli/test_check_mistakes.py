"""What authors of bundles get wrong is named by a check: the file, what is wrong, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.git_servers import BundleRepository, git
from tests.unit.container.cli.conftest import Cli

MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry


def run():
    pass


def two(first, second):
    pass


def lazy():
    yield 1


def job(**fields):
    job_registry.register(JobConfig(**{"cron": "@daily", **fields}))


"""
MISTAKES = [  # the fields of a job, what a check says of it, and what it advises
    ("id='called', func=run()", "func is None", "write the function itself, without quotes and parentheses"),
    ("id='quoted', func='run'", "func is 'run'", "write the function itself, without quotes"),
    ("id='two', func=two", "needs the arguments first, second", "or declare them as params"),
    ("id='lazy', func=lazy", "func has a yield", "write a function without yield"),
    ("id='nothing'", "neither func nor command is given", "write one of func=<function> and command="),
    ("id='twice', func=run, command=['df']", "func and command are both given", "write one of"),
    ("id='bad-cron', func=run, cron='99 * * * *'", "99", ""),
    ("id='bad-zone', func=run, timezone='Mars/Olympus'", "Mars/Olympus", ""),
    ("id='Bad Id', func=run", "id is 'Bad Id'", "write 1 to 64 lower-case letters"),
    ("id='same', func=run); job(id='same', func=run", "has the id 'same' already", "Choose another id"),
    ("id='typo', func=run, timeout_second=5", "no field 'timeout_second'", "Did you mean 'timeout_seconds'"),
    ("id='secret', func=run, secrets='TOKEN'", "secrets is 'TOKEN'", "write a list of names"),
    ("id='text', command='df -h'", "command is 'df -h'", "write a list, ['df', '-h']"),
    ("id='line', command=['df -h']", "several words in one", "write ['df', '-h']"),
    ("id='cd', command=['cd', 'etc']", "'cd' is a word of the shell", "write ['sh', '-c', 'cd etc && ...']"),
    ("id='set', command=['A=b', 'make']", "sets a variable", "write ['env', 'A=b', 'make']"),
]
FILES: dict[str, bytes] = {
    "uv.lock": b"version = 1\n",
    "rows.csv": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n",
    "keys.env": b"\0GITCRYPT\0\x8f",
    ".gitmodules": b'[submodule "shared"]\n\tpath = shared\n\turl = ../shared.git\n',
    "bin/mode.sh": b"#!/bin/bash\necho\n",
    "bin/dos.sh": b"#!/bin/bash\r\necho\r\n",
    "bin/ksh.sh": b"#!/opt/none/ksh\n",
    "bin/plain.sh": b"echo\n",
    "bin/node.js": b"#!/usr/bin/env no-node\n",
}
COMMANDS = [  # a command, the file of the remark (None: the manifest), what it says, and what it advises
    (["bin/mode.sh"], "bin/mode.sh", "is not executable in git", "git update-index --chmod=+x bin/mode.sh"),
    (["bin/dos.sh"], "bin/dos.sh", "has Windows line ends", "bin/dos.sh text eol=lf"),
    (["bin/ksh.sh"], "bin/ksh.sh", "asks for /opt/none/ksh, which is not installed", "install ksh"),
    (["bin/plain.sh"], "bin/plain.sh", "has no `#!` line", "command=['sh', 'bin/plain.sh']"),
    (["bin/node.js"], "bin/node.js", "asks for no-node, which is not installed", "install no-node"),
    (["no-pg_dump", "shop"], None, "no-pg_dump is not a program on PATH", "install the program"),
    (["bin/Mode.sh"], None, "bin/Mode.sh does not exist in the bundle", "write 'bin/mode.sh'"),
    (["python3", "scripts/x.py"], None, "scripts/x.py does not exist in the bundle", "commit it"),
    (["ls", "|", "wc"], None, "'|' is a sign of the shell", "write command=['sh', '-c', 'ls | wc']"),
    (["rm", "-f", "x/*.log"], None, "'x/*.log' stands for several files", "['sh', '-c', 'rm -f x/*.log']"),
    (["ls", "~/x"], None, "'~/x' is a folder for a shell only", "['sh', '-c', 'ls ~/x']"),
]
ELSEWHERE = [
    ("rows.csv", "is a Git LFS pointer", "commit the file itself"),
    ("keys.env", "is encrypted by git-crypt", "declare what it holds as secrets"),
    ("shared", "is a git submodule", "copy its files into this repository"),
    ("uv.lock", "is not read: Sauron installs requirements.txt", "uv export"),
]
FATAL = [  # a manifest, its other files, what the check says, and what it advises
    (
        "import no_such_thing",
        {},
        "manifest.py:1: ModuleNotFoundError",
        "is the file committed, and",
    ),
    (
        "import no_such_thing",
        {"pyproject.toml": "[project]\ndependencies = ['no_such_thing']\n"},
        "pyproject.toml is not read",
        "write `.` into requirements.txt",
    ),
    (
        "from jobs import gone",
        {"jobs/__init__.py": ""},
        "1: ImportError: cannot import name 'gone'",
        "",
    ),
    ("def broken(:", {}, "manifest.py:1: SyntaxError", ""),
    ("raise SystemExit(1)", {}, "called sys.exit(1) while loading", "Remove it"),
    (
        "",
        {"requirements.txt": "-r no.txt\n"},
        "includes 'no.txt', which does not exist",
        "committed",
    ),
]


@pytest.mark.process
def test_every_mistake_that_is_known_is_named_with_its_file_and_its_cure(cli: Cli, tmp_path: Path) -> None:
    bundle = BundleRepository.create(tmp_path / "bundle")
    lines = [f"job({fields})" for fields, _said, _advice in MISTAKES]
    lines += [f"job(id='command-{number}', command={one[0]})" for number, one in enumerate(COMMANDS)]
    (bundle.path / "manifest.py").write_text(MANIFEST.lstrip() + "\n".join(lines) + "\n")
    for name, content in FILES.items():
        (bundle.path / name).parent.mkdir(exist_ok=True)
        (bundle.path / name).write_bytes(content)
        (bundle.path / name).chmod(0o644 if name == "bin/mode.sh" else 0o755)
    (bundle.path / "shared").mkdir()
    git("add", "--all", cwd=bundle.path)
    said = cli("check", str(bundle.path))
    assert said.code == 1
    told = json.loads(cli("check", str(bundle.path), "--json").out)
    assert said.out.endswith(f"{told['summary']}\n")
    assert told["summary"] == f"{len(COMMANDS) + 1} jobs are good, 16 are rejected, 15 remarks."
    faults = [f"{fault['job_id']} {fault['reason']}" for fault in told["faults"]]
    assert all(fault["place"].startswith("manifest.py:") for fault in told["faults"])
    for fields, text, advice in MISTAKES:
        name = fields.partition("'")[2].partition("'")[0]
        assert [one for one in faults if one.startswith(f"{name} ") and text in one and advice in one], fields
    expected = [(file or "manifest.py", text, cure) for _command, file, text, cure in COMMANDS] + ELSEWHERE
    for file, text, cure in expected:
        assert [one for one in told["remarks"] if names(one, file, text, cure)], (file, text)


def names(remark: dict[str, Any], file: str, text: str, cure: str) -> bool:
    return remark["file"] == file and text in remark["text"] and cure in remark["cure"]


@pytest.mark.process
@pytest.mark.parametrize(("manifest", "files", "text", "advice"), FATAL)
def test_what_keeps_a_bundle_from_loading_is_named_with_its_place(
    manifest: str, files: dict[str, str], text: str, advice: str, cli: Cli, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    for name, content in {"manifest.py": f"{dedent(manifest)}\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    said = cli("check", str(folder))
    assert said.code == 1
    assert text in said.out
    assert advice in said.out
    assert said.out.splitlines()[-1].startswith("The bundle does not load: 1 fault")
