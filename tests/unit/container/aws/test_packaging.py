"""What is released: the pinned requirements, the Lambda zip, the wheel, and the Makefile that builds them."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from sauron.aws import package
from sauron.aws.names import HANDLERS, Names
from tests import lambda_zip
from tests.lambda_zip import LOCKS

ROOT = Path(__file__).resolve().parents[4]
GLIBC = re.compile(rb"GLIBC_(\d+(?:\.\d+)+)\0")
SOURCES = ("chalicelib", "sauron_jobs_loader")
MAIL = ("ses:SendEmail", "ses:SendRawEmail")
TAKE = ("sqs:ReceiveMessage", "sqs:DeleteMessage")
FOLDERS = {
    "api_handler": ("api", "bundle", "shared"),
    "sync": ("bundle", "shared"),
    "work": ("bundle", "shared"),
}
FOLDERS |= {"tick": ("shared",), "upkeep": ("shared",)}
ALLOWED = {"api_handler": MAIL, "upkeep": (*TAKE, *MAIL), "work": (*TAKE, "sqs:GetQueueAttributes", *MAIL)}
LAZY = {
    "alembic",
    "boto3",
    "botocore",
    "cryptography",
    "dulwich",
    "httpx",
    "jinja2",
    "jsonschema",
    "paramiko",
    "pydantic",
}
KEPT_OUT = {
    *("container", "tests", "sauron", "docs", "vendor", "moto", "pytest", "hypothesis"),
    *(
        "mcp",
        "git",
        "waitress",
        "rich",
        "dotenv",
        "boto3",
        "botocore",
        "pip",
        "setuptools",
        "inquirer",
    ),
}


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", (ROOT / lock).read_text(), re.MULTILINE))


def normal(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def project() -> dict[str, object]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert isinstance(table, dict)
    return table


def wanted(*extras: str) -> set[str]:
    table = project()
    optional = table["optional-dependencies"]
    dependencies = table["dependencies"]
    assert isinstance(optional, dict)
    assert isinstance(dependencies, list)
    return {normal(one) for one in dependencies + [one for extra in extras for one in optional[extra]]}


def compiled_name(source: str) -> str:
    path = Path(source)
    return str(path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc")


def shipped_files() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for source in SOURCES
        for path in (ROOT / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_hashes_and_no_index_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    entries = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==\S+ \\", entry), f"{lock}: {entry}"
        assert re.search(re.escape(entry) + r"\n    --hash=sha256:[0-9a-f]{64}", text), (
            f"{lock}: {entry} has no hash"
        )


def test_the_requirements_hold_what_pyproject_asks_for() -> None:
    assert wanted() - {"chalice"} <= pins("requirements.txt").keys()
    assert wanted("container") <= pins("requirements-container.txt").keys()
    assert wanted("container", "dev") <= pins("requirements-dev.txt").keys()
    assert not {"chalice", "boto3", "mcp", "moto"} & pins("requirements.txt").keys()
    assert not {"moto", "pytest", "ruff"} & pins("requirements-container.txt").keys()


def test_lambda_container_and_developer_run_the_same_versions() -> None:
    developer = pins("requirements-dev.txt")
    for lock in LOCKS[:2]:
        for name, version in pins(lock).items():
            assert developer[name] == version


@pytest.mark.process
def test_make_prints_help_for_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    answer = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in set(phony.group(1).split()) - {"first-bundle"}:
        assert re.search(rf"^  make {target} +\S", answer.stdout, re.MULTILINE), target


@pytest.mark.parametrize("stage", ["dev", "prod"])
@pytest.mark.parametrize("handler", HANDLERS)
def test_every_function_has_a_hand_written_policy_that_allows_nothing_of_others(
    stage: str, handler: str
) -> None:
    ours = package.config(ROOT, stage, {})["stages"][stage]
    assert ours["autogen_policy"] is False
    assert ours["api_gateway_endpoint_type"] == "REGIONAL"  # EDGE is missing in some partitions
    assert ours["lambda_functions"][handler]["iam_policy_file"] == f"policy-{stage}-{handler}.json"
    names = Names(stage)
    own = f"arn:aws:logs:*:*:log-group:{names.log_group(names.function(handler))}:*"
    allowed: dict[str, set[str]] = {}
    for statement in json.loads((ROOT / f".chalice/policy-{stage}-{handler}.json").read_text())["Statement"]:
        actions, resources = (
            [one] if isinstance(one, str) else one for one in (statement["Action"], statement["Resource"])
        )
        assert not [action for action in actions if "*" in action]
        # narrowed by `up`
        assert all(resource.startswith(f"arn:aws:{actions[0].split(':')[0]}:*:*:") for resource in resources)
        for action in actions:
            allowed.setdefault(action, set()).update(resource.split(":", 5)[5] for resource in resources)
        if actions[0].startswith("logs:"):
            assert resources == [own]
    folders = {f"parameter/sauron/{stage}/{folder}" for folder in FOLDERS[handler]}
    assert allowed.pop("ssm:GetParametersByPath") == folders | {f"{folder}/*" for folder in folders}
    paths = ours["lambda_functions"][handler]["environment_variables"]["SAURON_SSM_PATH"]
    assert {f"parameter{path}" for path in paths.split(",")} == folders
    assert allowed.pop("sqs:SendMessage") == {names.queue}
    expected = {"logs:CreateLogStream": {own.split(":", 5)[5]}, "logs:PutLogEvents": {own.split(":", 5)[5]}}
    for action in ALLOWED.get(handler, ()):
        mail, dead = {"identity/*", "configuration-set/*"}, handler == "upkeep"
        expected[action] = mail if action.startswith("ses:") else {names.dead_queue if dead else names.queue}
    if handler == "api_handler":
        expected["lambda:InvokeFunction"] = {f"function:{names.function('sync')}"}
    assert allowed == expected


def test_no_policy_is_left_that_no_function_has() -> None:
    written = {file.name for file in (ROOT / ".chalice").glob("policy-*.json")}
    assert written == {f"policy-{stage}-{handler}.json" for stage in ("dev", "prod") for handler in HANDLERS}


def test_vendor_is_a_link_into_the_project() -> None:
    link = ROOT / "vendor/sauron_jobs_loader"
    assert link.is_symlink()
    assert str(link.readlink()) == "../sauron_jobs_loader"


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_lambda_zip_holds_the_application_and_the_loader_and_nothing_of_the_container(
    tmp_path: Path,
) -> None:
    package = lambda_zip.package()
    assert package.zip.stat().st_size < 50_000_000
    with zipfile.ZipFile(package.zip) as opened:
        names = set(opened.namelist())
    assert {"app.py"} | shipped_files() <= names
    assert not {name.split("/")[0] for name in names} & KEPT_OUT
    assert not [name for name in names if name.endswith((".sqlite3", ".env"))]
    found = {name for name in names if "__pycache__" in name}
    assert {compiled_name(name) for name in shipped_files() if name.endswith(".py")} <= found
    assert found <= {compiled_name(name) for name in names if name.endswith(".py")}

    # Lambda's Python 3.11 runs on glibc 2.26, which is older than what the newest wheels are made for.
    for file in package.task_root.rglob("*.so*"):
        needed = {tuple(map(int, version.split(b"."))) for version in GLIBC.findall(file.read_bytes())}
        assert max(needed, default=(2, 0)) <= (2, 26), file
    dulwich = [
        sys.executable,
        "-S",
        "-B",
        "-c",
        "import sys; sys.path.insert(0, sys.argv[1]); import sauron_jobs_loader.git.without_git.remote",
    ]
    ran = subprocess.run(
        [*dulwich, str(package.task_root)], env={"PATH": ""}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr

    # Imported from the zip alone, as Lambda does: nothing may be missing, and nothing may be opened or
    # started.
    (tmp_path / "cwd").mkdir()
    run = "import sys, threading; sys.path.insert(0, sys.argv[1]); import app; "
    run += "print(app.app.app_name, threading.active_count())"
    run += f"; print(sorted({LAZY!r} & set(sys.modules)))"  # what a first answer has no time for
    imported = subprocess.run(
        [sys.executable, "-S", "-B", "-c", run, str(package.task_root)],
        cwd=tmp_path / "cwd",
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported.stdout == "sauron 1\n[]\n", imported.stderr
    assert not list((tmp_path / "cwd").iterdir())


@pytest.mark.process
@pytest.mark.skipif(
    int(importlib.metadata.version("setuptools").split(".")[0]) < 77,
    reason="setuptools is older than the build needs; `make install` brings it",
)
def test_an_installed_sauron_holds_every_file_that_it_reads(tmp_path: Path) -> None:
    tree = lambda_zip.copy_of_the_tree(tmp_path)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-qq",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path / "out"),
        ".",
    ]
    built = subprocess.run(
        pip, cwd=tree, env={**os.environ, "PIP_NO_INDEX": "1"}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    [wheel] = (tmp_path / "out").iterdir()
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    assert {"app.py", "sauron/main.py", "sauron/cli/__main__.py"} | shipped_files() <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]
