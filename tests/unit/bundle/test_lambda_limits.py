"""What AWS Lambda cannot run is refused job by job, with what to write instead."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.bundle import lambda_limits
from chalicelib.model.jobs import JobSpec
from tests.conftest import job_record

ROOT = Path(__file__).resolve().parents[3]
HERE = {"httpx": "0.28.1", "python-dateutil": "2.9.0.post0", "pydantic": "2.14.3", "boto3": None}


def refusals(folder: Path, **fields: Any) -> list[str]:
    spec = JobSpec.from_record(job_record("a", **fields))
    return lambda_limits.refusals(spec, unmet=(), in_bundle=lambda_limits.is_file_of(folder))


def unmet(text: str) -> list[str]:
    return lambda_limits.unmet([("requirements.txt:1", text)], HERE)


def test_a_job_that_fits_is_not_refused(tmp_path: Path) -> None:
    assert refusals(tmp_path, timeout_seconds=840) == []


def test_a_longer_job_is_refused_with_the_longest_time(tmp_path: Path) -> None:
    (reason,) = refusals(tmp_path, timeout_seconds=841)
    assert reason == (
        "timeout_seconds is 841, and AWS Lambda ends every function after 15 minutes: "
        "lower timeout_seconds to 840, or run this bundle in the container."
    )
    assert timedelta(seconds=840) == lambda_limits.LONGEST


@pytest.mark.parametrize(
    "command", [["python", "-m", "x"], ["python3", "x.py"], ["./bin/tool"], ["bin/tool", "-v"]]
)
def test_python_and_files_of_the_bundle_are_programs(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").touch()
    assert refusals(tmp_path, command=command) == []


@pytest.mark.parametrize(
    "program", ["pg_dump", "/usr/bin/pg_dump", "bin/absent", "tool", "../outside", "bin"]
)
def test_another_program_is_named(program: str, tmp_path: Path) -> None:
    (tmp_path / "bundle" / "bin").mkdir(parents=True)
    for file in (tmp_path / "outside", tmp_path / "bundle" / "tool"):
        file.touch()
    (reason,) = refusals(tmp_path / "bundle", command=[program, "-x"])
    assert f"needs the program {program}, which" in reason
    assert "run this bundle in the container" in reason


def test_every_reason_is_given() -> None:
    spec = JobSpec.from_record(job_record("a", timeout_seconds=9999, command=["df"]))
    assert len(lambda_limits.refusals(spec, unmet=["one", "two"], in_bundle=lambda _: False)) == 4


@pytest.mark.parametrize(
    "text",
    [
        *(
            "httpx",
            "HTTPX",
            "httpx[http2]",
            "httpx==0.28.1",
            "httpx===0.28.1",
            "httpx>=0.27,<1",
            "httpx ~= 0.27",
            "httpx==0.28.*",
        ),
        *(
            "httpx>0.28",
            "httpx<=0.28.1",
            "httpx!=0.28.0",
            "httpx (>=0.2)",
            "httpx>=0.28.1 --hash=sha256:00",
            "httpx~=0.28.1",
        ),
        *(
            "python_dateutil==2.9.0.post0",
            "python-dateutil>=2.9.0",
            "python.dateutil>2.8",
            "boto3==1.2.3",
            "pydantic>=2",
        ),
        *('pywin32; sys_platform == "win32"', 'tomli>=2; python_version < "3.11"'),
        'tomli; python_version < "3.11" and sys_platform == "linux"',
    ],
)
def test_what_the_package_holds_is_met(text: str) -> None:
    assert unmet(text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "pandas",
            "requirements.txt:1 asks for pandas, which the Lambda package does not hold: do without it, or",
        ),
        ("pandas>=2", "asks for pandas, which"),
        (
            "httpx==0.27",
            "asks for httpx==0.27, and the Lambda package holds 0.28.1: allow that version, or run",
        ),
        ("httpx>=1", "holds 0.28.1"),
        ("httpx<0.28", "holds 0.28.1"),
        ("httpx~=0.27.0", "holds 0.28.1"),
        ("httpx!=0.28.1", "holds 0.28.1"),
        ("httpx==0.27.*", "holds 0.28.1"),
        ("httpx>=0.27,<0.28.1", "holds 0.28.1"),
        ("httpx==0.29rc1", "holds 0.28.1"),
        ("httpx=0.28.1", "nothing installs on AWS Lambda"),
        ('tomli; python_version >= "3.9" and sys_platform != "win32"', "asks for tomli"),
        ('tomli; python_version >= "3.9"', "asks for tomli"),
        ('tomli; platform_machine == "x86_64"', "asks for tomli"),
        ("./lib", "asks for './lib', which nothing installs on AWS Lambda: put the code into the bundle"),
        ("tiny @ https://host/tiny.whl", "nothing installs on AWS Lambda"),
    ],
)
def test_what_it_does_not_hold_is_said_with_what_to_write(text: str, words: str) -> None:
    (sentence,) = unmet(text)
    assert words in sentence
    assert sentence.endswith("or run this bundle in the container.")


def test_the_package_as_an_installed_sauron_knows_it_is_what_is_pinned_for_lambda() -> None:
    pins = dict(
        re.findall(r"^([a-z0-9-]+)==(\S+) \\$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    )
    assert lambda_limits.shipped() == pins | dict.fromkeys(lambda_limits.OF_THE_RUNTIME)


def test_what_this_interpreter_finds_is_named_normally() -> None:
    found = lambda_limits.installed()
    assert found["typing-extensions"]
    assert found["httpx"]


def test_markers_are_read_with_the_python_that_deploys() -> None:
    here = "{}.{}".format(*sys.version_info)
    assert unmet(f'pandas; python_version != "{here}"') == []
    assert len(unmet(f'pandas; python_version == "{here}"')) == 1
