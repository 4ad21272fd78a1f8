"""The drill of docs/restore.md, done as it stands, after a runner was killed in the middle of its work."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path

import pytest

from tests.e2e.outside import SAMPLE, Cli, Repository, Serve, wait_for

PAGE = (Path(__file__).parents[2] / "docs" / "restore.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^\*\*\d\. (\w+)[^\n]*\n(.*?)(?=^\*\*\d|\Z)", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = {
    step: [
        shlex.split(line)[1:]
        for block in re.findall(r"```\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    for step, text in STEPS
}


def test_the_drill_has_its_steps() -> None:
    assert list(COMMANDS) == ["Backup", "Stop", "Restore", "Look", "Go"]
    assert COMMANDS["Backup"] == [["backup", "copy.sqlite3"]]
    assert COMMANDS["Restore"] == [["restore", "copy.sqlite3"]]


@pytest.mark.process
def test_the_drill_works_after_a_kill(serve: Serve, repository: Repository, cli: Cli, tmp_path: Path) -> None:
    sha = repository.commit(SAMPLE)
    go = tmp_path / "go"
    served = serve(GO_FILE=str(go)).until_synced()
    hello = served.trigger("hello")
    served.ended(hello)
    slow = served.trigger("slow")
    wait_for(lambda: "begun" in served.log(slow), what="the long run is running")
    assert served.http.post("/jobs/fails/disable", json={"reason": "noisy"}).status_code == 200

    for words in COMMANDS["Backup"]:
        said = cli(*words)
        assert said.code == 0, said.err
    assert served.http.post("/jobs/fails/enable").status_code == 200
    later = served.trigger("hello")
    served.ended(later)
    refused = cli(*COMMANDS["Restore"][0])
    assert refused.code == 1
    assert "Sauron is running on" in refused.err

    served.stop(signal.SIGKILL)
    for words in COMMANDS["Restore"]:
        said = wait_for(
            lambda words=words: one if (one := cli(*words)).code == 0 else None,  # type: ignore[misc]
            what="the killed runner's jobs have ended",
        )
    assert re.search(rf"newest run +{slow}  slow, running", said.out)
    assert f"revision    {sha[:12]}" in said.out
    assert "fails: disabled" in said.out
    assert "(noisy)" in said.out
    assert re.search(rf"is interrupted +{slow}", said.out)
    assert "JOB_QUEUE_ENABLED=0" in said.out
    (aside,) = (tmp_path / "home" / ".sauron").glob("sauron.sqlite3.before-restore-????????-??????")
    assert str(aside) in said.out

    looking = serve(JOB_QUEUE_ENABLED="0", GO_FILE=str(go)).until_ready()
    assert looking.run(hello)["state"] == "succeeded"
    assert looking.http.get(f"/runs/{later}").status_code == 404
    assert looking.http.get("/jobs/fails").json()["enabled"] is False
    waiting = looking.trigger("hello")
    for words in COMMANDS["Look"]:
        said = cli(*words)
        assert said.code == 0, said.err
    assert looking.run(waiting)["state"] == "queued"
    looking.stop()

    going = serve(GO_FILE=str(go)).until_ready()
    assert going.ended(waiting)["state"] == "succeeded"
    assert going.ended(slow)["error_type"] == "interrupted"
