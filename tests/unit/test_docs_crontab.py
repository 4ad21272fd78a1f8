"""The crontab in docs/crontab.md and the bundle beside it are the same jobs, and the bundle loads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.unit.container.cli.conftest import Cli, cli  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "bundles" / "crontab"
PAGE = (ROOT.parent / "docs" / "crontab.md").read_text(encoding="utf-8")
SCHEDULE = re.compile(r"^(@\w+|(?:[\d*/]+ ){5})", re.MULTILINE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_shows_the_manifest_that_is_tested() -> None:
    (shown,) = blocks("python")
    assert shown == "# manifest.py\n" + (BUNDLE / "manifest.py").read_text(encoding="utf-8")
    (crontab,) = blocks("")
    lines = [match.strip() for match in SCHEDULE.findall(crontab)]
    assert lines == re.findall(r'cron="([^"]+)"', shown)
    assert len(lines) == 11


@pytest.mark.process
def test_a_check_of_it_is_good_and_only_remarks_programs_that_are_absent(cli: Cli) -> None:  # noqa: F811
    said = cli("check", str(BUNDLE), "--json")
    known = json.loads(said.out)
    assert (said.code, known["ok"], len(known["jobs"])) == (0, True, 11)
    assert all("is not a program on PATH" in remark["text"] for remark in known["remarks"])
    absent = cli("check", str(BUNDLE), "--json", PATH="/nonexistent")
    assert absent.code == 0
    programs = {remark["text"].split()[4] for remark in json.loads(absent.out)["remarks"] if remark["line"]}
    assert programs == {"rsync", "docker", "logrotate", "git"}
