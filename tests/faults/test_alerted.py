"""What people see while a fault lasts: page, `/status`, doctor, and the alert that reaches a webhook."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.outside import Repository, Serve, Served, command, wait_for
from tests.faults.test_many_kills import LEVELS, below
from tests.faults.test_storage import BUNDLE, environ
from tests.http_receiver import Receiver
from tests.life_hub import Server
from tests.mounts import Disk, mounted

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.process, pytest.mark.timeout(300)]

MB = 1 << 20
LOW_MB = 12
REVIEWED = 100.0  # seconds: once a minute it is looked whether all is well
JOBS = {
    "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.work import work
for job_id in ("alone", "beside"):
    job_registry.register(JobConfig(id=job_id, cron="0 0 1 1 *", func=work, max_attempts=1))
""",
    "jobs/work.py": "import time\n\ndef work():\n    print('begun', flush=True)\n    time.sleep(600)\n",
}


def told(people: Receiver, type_of_alert: str, seconds: float = REVIEWED) -> dict[str, Any]:
    """Wait for an alert and return what it says."""

    def found() -> dict[str, Any] | None:
        said = [json.loads(one.body) for one in people.asked]
        return next((one["data"] for one in said if one["type"] == type_of_alert), None)

    return wait_for(
        found, what=f"the alert {type_of_alert} comes", seconds=seconds, seen=lambda: people.asked
    )


def doctor(served: Served) -> dict[str, str]:
    """Return what the doctor finds wrong, by its checks; it reads the settings of the runner."""
    said = command(served.folder, "doctor", "--json", seconds=100, **served.environ)
    return {one["check"]: one["found"] for one in said.json if not one["ok"]}


def opened(served: Served) -> list[str]:
    """Return which incidents are open."""
    return [f"{one['kind']} {one['subject']}" for one in served.http.get("/status").json()["alerts"]["open"]]


def use_up(disk: Disk, *, but: int) -> Path:
    """Fill a disk except for so many bytes."""
    ballast = disk / "ballast"
    room = os.statvfs(disk.path)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - but)
    return ballast


def test_a_disk_that_fills_is_alerted_before_it_is_full(
    serve: Serve, repository: Repository, people: Receiver, tmp_path: Path
) -> None:
    """A disk fills to below SAURON_DISK_LOW_MB: what is told."""
    repository.commit(BUNDLE)
    with mounted(tmp_path / "disk", size="32m") as disk:
        low = {"SAURON_DISK_LOW_MB": str(LOW_MB), "SAURON_ALERT_WEBHOOK_URL": people.url}
        served = serve(**environ(tmp_path) | low).until_synced()
        assert opened(served) == []
        ballast = use_up(disk, but=(LOW_MB - 4) * MB)
        assert f"less than {LOW_MB} MB" in told(people, "disk.low")["reason"]
        assert opened(served) == ["disk sauron"]
        assert "MB are free where the store lies" in served.http.get("/").text
        assert "MB are free, fewer than SAURON_DISK_LOW_MB" in doctor(served)["disk"]
        ballast.unlink()
        told(people, "disk.recovered")
        assert opened(served) == []
        served.close()


def test_syncs_that_cannot_write_are_alerted_at_the_third(
    serve: Serve, repository: Repository, people: Receiver, tmp_path: Path
) -> None:
    """Three syncs find no room for another file: what is told."""
    repository.commit(BUNDLE)
    with mounted(tmp_path / "disk", size="64m", files=400) as disk:
        own = {"JOBS_DIR": str(disk / "jobs"), "SAURON_ALERT_WEBHOOK_URL": people.url}
        own["SAURON_DISK_LOW_MB"] = "0"
        served = serve(**environ(tmp_path) | own).until_synced()
        made: list[Path] = []
        with contextlib.suppress(OSError):
            while True:
                made.append(disk / f"file{len(made)}")
                made[-1].touch()
        repository.commit({"jobs/more.py": "MORE = True"})
        for _ in range(3):
            served.http.post("/sync", timeout=60)
        assert "No space left on device" in told(people, "sync.failing")["reason"]
        assert opened(served) == ["sync sauron"]
        assert "No space left on device" in served.http.get("/").text
        for one in made:
            one.unlink(missing_ok=True)
        served.http.post("/sync", timeout=60)
        told(people, "sync.recovered")
        served.close()


def test_attempts_that_were_killed_are_alerted_if_none_is_left(
    serve: Serve, repository: Repository, people: Receiver
) -> None:
    """The process of an attempt, then the runner, is killed and no attempt is left: what is told."""
    repository.commit(JOBS)
    hook = {"SAURON_ALERT_WEBHOOK_URL": people.url}
    served = serve(**hook).until_synced()
    run = served.trigger("alone")
    wait_for(lambda: "begun" in served.log(run), what="the attempt has begun")
    (supervisor,) = below(served.process.pid, LEVELS["supervisor"])
    os.kill(supervisor, signal.SIGKILL)
    assert told(people, "job.failing")["job_id"] == "alone"
    assert served.ended(run)["state"] == "failed"
    assert opened(served) == ["failing alone"]
    people.asked.clear()
    lost = served.trigger("beside")
    wait_for(lambda: "begun" in served.log(lost), what="the attempt has begun")
    served.process.kill()
    served.process.wait()
    served.close()
    again = serve(**hook).until_ready()
    said = told(people, "job.failing")
    assert (said["job_id"], said["run_id"]) == ("beside", lost)
    assert "beside" in again.http.get("/").text
    again.close()


def test_a_database_that_is_away_is_told_by_everything_that_is_asked(
    serve: Serve, repository: Repository, server: Server
) -> None:
    """PostgreSQL is stopped: what is told."""
    repository.commit(JOBS)
    served = serve(JOB_QUEUE_DB_URL=server.url()).until_synced()
    server.stop()
    ready = wait_for(
        lambda: answer if (answer := served.http.get("/ready")).status_code == 503 else None,
        what="/ready says that something is wrong",
    )
    assert ready.json()["parts"]["store"] != "ready"
    assert served.http.get("/health").status_code == 200

    def refused(path: str) -> httpx.Response:
        answer = served.http.get(path, headers={"Accept": "text/html" if path == "/" else "*/*"})
        assert answer.status_code == 503, path
        return answer

    assert "store" in refused("/status").json()["detail"]
    assert "store" in refused("/").text
    assert "cannot be read" in doctor(served)["store"]
    server.start()
    wait_for(lambda: served.http.get("/ready").status_code == 200, what="/ready is 200 again")
    assert served.http.get("/status").json()["degraded"] == []
    served.close()
