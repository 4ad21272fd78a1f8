"""The power goes: what was not synced is lost, and with it nothing that was acknowledged.

The store has a disk of its own, an image file. A copy of that file, taken while the runner stands still, is
what the disk holds when the power goes at that instant: what the kernel still kept in memory is missing. The
next runner starts from the copy. POWER_CUTS says how often (3 unless set), POWER_SEED at which moments.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.outside import Repository, Serve, Served, wait_for
from tests.faults.conftest import Measured
from tests.mounts import image_mounted, mkfs

pytestmark = [
    pytest.mark.faults,
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs mkfs.ext4, which makes a disk"),
]

CUTS = int(os.environ.get("POWER_CUTS", "3"))
SEED = int(os.environ.get("POWER_SEED", "5"))
BUNDLE = {
    "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.work import work
job_registry.register(
    JobConfig(id="work", cron="0 0 1 1 *", func=work, overlap="allow", max_attempts=100,
              retry_backoff_seconds=0))
""",
    "jobs/work.py": "def work():\n    return 1\n",
}


class Caller:
    """Asks for runs without a pause, and looks which of them ended, until Sauron is gone."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.ended: dict[str, int] = {}  # by run: the attempts that it took

    def call(self, served: Served) -> None:
        try:
            while True:
                self.acknowledged.append(served.trigger("work"))
                if run := next((one for one in self.acknowledged if one not in self.ended), None):
                    self.look(served, run)
        except httpx.TransportError:
            return

    def look(self, served: Served, run_id: str) -> None:
        run = served.run(run_id)
        if run["finished_at"]:
            assert run["state"] == "succeeded"
            self.ended[run_id] = len(run["attempts"])


@pytest.mark.timeout(120 + 30 * CUTS)
def test_a_power_cut_loses_nothing_that_was_acknowledged(
    repository: Repository, serve: Serve, tmp_path: Path, measured: Measured
) -> None:
    """The power goes at random moments while runs are triggered and end."""
    repository.commit(BUNDLE)
    chance = random.Random(SEED)  # noqa: S311 - the same moments each time
    caller = Caller()
    image = tmp_path / "disk0"
    mkfs(image)
    for cut in range(CUTS):
        with image_mounted(tmp_path / "disk", image) as disk:
            served = serve(JOB_QUEUE_DB_URL=f"sqlite:///{disk / 'store.sqlite3'}").until_synced()
            (disk / f"unsynced{cut}").write_text("lost")
            calling = threading.Thread(target=caller.call, args=(served,), daemon=True)
            asked = len(caller.acknowledged)
            calling.start()
            wait_for(lambda asked=asked: len(caller.acknowledged) > asked, what="a run is acknowledged")  # type: ignore[misc]
            time.sleep(chance.uniform(0, 1))
            served.process.send_signal(signal.SIGSTOP)
            image = Path(shutil.copyfile(image, tmp_path / f"disk{cut + 1}"))
            served.close()
            calling.join(60)
    with image_mounted(tmp_path / "disk", image) as disk:
        store = disk / "store.sqlite3"
        assert {file.read_text() for file in disk.path.glob("unsynced*")} <= {
            ""
        }  # what was not synced is gone
        served = serve(JOB_QUEUE_DB_URL=f"sqlite:///{store}").until_synced()
        for run in caller.acknowledged:
            assert served.http.get(f"/runs/{run}").status_code == 200, (
                f"run {run} was acknowledged and is gone"
            )
            ended = served.ended(run)
            assert ended["state"] == "succeeded", ended
            assert caller.ended.get(run, len(ended["attempts"])) == len(ended["attempts"]), ended
        assert served.http.get("/audit").json()["clean"]
        served.close()
        with sqlite3.connect(store) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.close()
    measured(
        f"{CUTS} power cuts; {len(caller.acknowledged)} runs acknowledged, each succeeded; "
        f"{len(caller.ended)} seen ended before a cut, none of them ran again; integrity ok",
        seed=SEED,
    )
