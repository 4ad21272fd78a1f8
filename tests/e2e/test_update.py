"""A store that an earlier Sauron wrote is brought to the newest schema, once, with all that it holds."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from chalicelib.store import copies, schema
from tests.e2e.outside import ROOT, SAMPLE, Cli, Repository, Serve

pytestmark = pytest.mark.process

EARLIER = "1b7a4c0"  # a commit with schema 0004


@pytest.fixture
def earlier(tmp_path: Path) -> str:
    """PYTHONPATH of that commit's code."""
    archive = tmp_path / "earlier.tar"
    made = subprocess.run(
        ["git", "archive", "--output", archive, EARLIER],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"this copy of the repository has no commit {EARLIER}: {made.stderr.strip()}")
    code = tmp_path / "earlier"
    code.mkdir()
    subprocess.run(["tar", "--extract", "--file", archive, "--directory", code], check=True)
    assert 'HEAD = "0004"' in (code / "chalicelib/store/schema.py").read_text()
    return f"{code}:{code / 'container'}"


def test_switches_history_and_queue_outlive_two_updates_after_a_kill(
    serve: Serve, repository: Repository, cli: Cli, earlier: str, tmp_path: Path
) -> None:
    repository.commit(SAMPLE)
    old = serve(PYTHONPATH=earlier).until_synced()
    hello = old.trigger("hello")
    old.ended(hello)
    log = old.log(hello)
    reason = {"reason": "noisy"}
    assert old.http.post("/jobs/fails/disable", json=reason).status_code == 200
    old.stop()
    queueing = serve(PYTHONPATH=earlier, JOB_QUEUE_ENABLED="0").until_ready()
    waiting = queueing.trigger("greet", params={"name": "you"})
    queueing.stop(signal.SIGKILL)

    kept = tmp_path / "home" / ".sauron" / "sauron.sqlite3.schema-0004"
    made = set()
    for _ in range(2):  # the second update finds nothing to do
        new = serve(JOB_QUEUE_ENABLED="0").until_ready()
        assert (new.run(hello)["state"], new.log(hello)) == ("succeeded", log)
        fails = new.http.get("/jobs/fails").json()
        assert (fails["enabled"], fails["override"]["reason"]) == (False, "noisy")
        assert new.run(waiting)["state"] == "queued"
        assert new.http.get("/audit").json()["clean"]
        assert copies.examine(kept) == "0004"
        made.add(kept.stat().st_mtime_ns)
        new.stop()
    assert len(made) == 1
    assert [file.name for file in kept.parent.glob("*.schema-*")] == [kept.name]

    going = serve().until_ready()
    assert going.ended(waiting)["state"] == "succeeded"
    going.stop()
    restored = cli("restore", str(kept))
    assert restored.code == 0, restored.err
    assert re.search(r"fails: disabled .*\(noisy\)", restored.out)
    assert schema.HEAD > "0004"
