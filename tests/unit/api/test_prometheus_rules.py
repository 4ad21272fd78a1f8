"""docs/prometheus-rules.yml in Prometheus's own promtool: each rule fires when it should, and only then."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]
RULES = ROOT / "docs" / "prometheus-rules.yml"
CASES = ROOT / "tests" / "data" / "prometheus-rules-test.yml"
PROMTOOL = shutil.which("promtool")
in_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (apt: prometheus)")


def promtool(*arguments: str) -> str:
    done = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@pytest.mark.process
@in_promtool
def test_promtool_reads_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


@pytest.mark.process
@in_promtool
def test_each_rule_fires_when_it_should_and_not_before() -> None:
    promtool("test", "rules", str(CASES))


def test_each_rule_is_seen_firing_and_quiet() -> None:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rules = {rule["alert"] for group in groups for rule in group["rules"]}
    cases = yaml.safe_load(CASES.read_text("utf-8"))["tests"]
    seen = {(case["alertname"], "exp_alerts" in case) for test in cases for case in test["alert_rule_test"]}
    assert seen == {(rule, fires) for rule in rules for fires in (False, True)}
