"""`sauron check` tells an author what is likely not meant; it is no fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.container.cli.conftest import Cli

pytestmark = pytest.mark.process

ODD = """
import os, socket
from datetime import datetime
from sauron_jobs_loader import JobConfig, job_registry

TODAY = datetime.now()
PAIR = socket.socketpair()
print("connecting to the shop")

def purge(days):
    pass

job_registry.register(JobConfig(id="purge", cron="@daily", func=purge))
"""


def test_check_remarks_what_loading_does_and_what_a_parameter_gets(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "manifest.py").write_text(ODD)
    (tmp_path / "calendar.py").write_text("")
    said = cli("check", str(tmp_path))
    assert said.code == 0
    remarks = [line for line in said.out.splitlines() if line.startswith(("calendar.py", "manifest.py"))]
    for words in (
        "calendar.py: the module 'calendar' has the name of one of Python's own",
        "manifest.py:6: datetime.datetime.now() is called once, when the bundle is loaded",
        "manifest.py:13: days, the one parameter of purge, gets a JobContext",
        "loading leaves a connection to another process",
        "loading printed, as it does at every check, sync and start: connecting to the shop",
    ):
        assert any(words in remark for remark in remarks), (words, remarks)
    assert said.out.endswith("\n1 job is good, 5 remarks.\n")


def test_a_module_that_breaks_pythons_own_is_named_and_no_traceback_of_sauron_is_shown(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "ssl.py").write_text("")
    (tmp_path / "manifest.py").write_text(
        "from sauron_jobs_loader import JobConfig, job_registry\nasync def run(): ...\n"
        "job_registry.register(JobConfig(id='a', cron='@daily', func=run))\n"
    )
    said = cli("check", str(tmp_path), "--json")
    assert said.code == 1
    [fault] = said.json["faults"]
    assert "the bundle's ssl.py may be imported in place of a module of Python: rename it" in fault["reason"]
    assert "Traceback" not in fault["reason"]
    assert said.json["remarks"][0]["file"] == "ssl.py"
