"""What a test does whose browser is gone or answers nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.chromium import MISSING, PROGRAM

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_a_browser_that_answers_nothing_fails_a_test_instead_of_hanging_it() -> None:
    command = [sys.executable, "-m", "tests.browser.frozen", "2"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=40, check=False)
    assert ended.stdout == "not done within 2 s, so Chromium was ended\n", ended.stderr
