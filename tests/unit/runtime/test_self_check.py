"""What a function says of itself when something that it needs is missing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib import wiring
from chalicelib.runtime import self_check
from chalicelib.settings import Settings
from chalicelib.store import duties
from chalicelib.wiring import COMMAND_LINE, Sauron
from tests.conftest import ManualClock

pytestmark = pytest.mark.process


def built(folder: Path, clock: ManualClock, **environ: str) -> Sauron:
    given = {"JOB_QUEUE_DB_URL": f"sqlite:///{folder}/s.db", "JOBS_DIR": str(folder / "jobs"), **environ}
    return wiring.build(Settings.read(given), runtime=COMMAND_LINE, clock=clock)


def test_what_is_missing_is_found_with_its_cure_and_ends_no_other_check(
    tmp_path: Path, clock: ManualClock
) -> None:
    sauron = built(tmp_path, clock)
    found = {one["check"]: one for one in self_check.report(sauron)}
    assert list(found) == list(self_check.CHECKS)
    wrong = {name for name, one in found.items() if not one["ok"]}
    assert wrong == {"clock", "last tick", "secrets", "queue"}  # the manual clock stands in another year
    assert found["process control"]["found"] == "processes can be started, followed and ended"
    assert found["last tick"]["found"] == "no tick has come yet"
    assert "SAURON_SQS_QUEUE_URL is not set" in found["queue"]["found"]
    assert all(bool(one["fix"]) is not one["ok"] for one in found.values())
    sauron.close()


def test_a_tick_that_is_late_is_found(tmp_path: Path, clock: ManualClock) -> None:
    sauron = built(tmp_path, clock)
    with sauron.store.write() as tx:
        duties.duty_done(tx, duties.TICK, at=clock.now() - timedelta(minutes=4))
    found = {one["check"]: one for one in self_check.report(sauron)}
    assert found["last tick"]["found"].startswith("the last one came at ")
    assert not found["last tick"]["ok"]
    sauron.close()


def test_only_its_own_event_and_message_ask_for_a_check() -> None:
    assert self_check.asked({"act": "check"})
    assert not any(map(self_check.asked, (None, {}, {"act": "sync"})))
    assert self_check.asked_by('{"check": true}')
    assert not any(map(self_check.asked_by, ('{"run_id": "check"}', "", '{"check": false}')))
