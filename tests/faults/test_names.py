"""Names cannot be looked up for a while: git, the receiver of alerts and Life Hub are away; jobs run on."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.lifehub.schema import migrate
from tests.e2e.outside import SAMPLE, Repository, Serve, Served, wait_for
from tests.faults.proxy import Proxy
from tests.git_servers import serve_ssh
from tests.http_receiver import Receiver, receive
from tests.life_hub import Server, ask

pytestmark = [pytest.mark.faults, pytest.mark.process, pytest.mark.long, pytest.mark.timeout(300)]

HERE = "127.0.0.1"
ALONE = f"{HERE} localhost\n"
RETRIED = 150.0  # seconds within which what could not be sent is sent again


@dataclass(frozen=True)
class Names:
    """A world in which names are known by one file alone: no server for them answers."""

    hosts: Path
    servers: Path

    @classmethod
    def made(cls, folder: Path) -> Names:
        """Skip the test where a process may have no mounts of its own."""
        if (
            shutil.which("unshare") is None
            or subprocess.run(["unshare", "--mount", "true"], check=False).returncode
        ):
            pytest.skip("a process may not have mounts of its own here")
        names = cls(folder / "hosts", folder / "resolv.conf")
        names.servers.write_text(f"nameserver {HERE}\noptions attempts:1 timeout:1\n")
        names.come()
        return names

    @property
    def within(self) -> list[str]:
        """The command that becomes another one in this world."""
        binding = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", binding, "sh", str(self.hosts), str(self.servers)]

    def come(self) -> None:
        self.hosts.write_text(f"{ALONE}{HERE} git.sauron.test people.sauron.test hub.sauron.test\n")

    def go(self) -> None:
        self.hosts.write_text(ALONE)


def alerted(people: Receiver) -> list[str]:
    return [json.loads(one.body)["type"] for one in people.asked]


def test_names_that_are_unknown_for_a_while_lose_no_run_no_alert_and_no_copy(
    serve: Serve, repository: Repository, server: Server, tmp_path: Path
) -> None:
    """No name is known for a while: not git's, the receiver's of alerts, Life Hub's."""
    names = Names.made(tmp_path)
    repository.commit(SAMPLE)
    migrate(server.url())
    socket = next(Path(server.url().partition("host=")[2]).glob(".s.PGSQL.*"))
    proxy = Proxy(socket)
    try:
        with serve_ssh(tmp_path / "ssh") as git, receive() as people:
            known = git.known_hosts.read_text().replace(HERE, "git.sauron.test")
            served = serve(
                within=names.within,
                JOBS_GIT_REPO_URL=git.url(repository.folder).replace(HERE, "git.sauron.test"),
                SAURON_SSH_KEY_PATH=str(git.client_key),
                SAURON_SSH_KNOWN_HOSTS=known,
                SAURON_ALERT_WEBHOOK_URL=people.url.replace(HERE, "people.sauron.test"),
                DATABASE_URL=f"{proxy.url.replace(HERE, 'hub.sauron.test')}&require_auth=none",
            ).until_synced()
            _play(served, repository, names, proxy, people, server)
            served.close()
    finally:
        proxy.close()


def _play(
    served: Served, repository: Repository, names: Names, proxy: Proxy, people: Receiver, server: Server
) -> None:
    def copied() -> int:
        return int(ask(server.url(), "SELECT count(*) FROM ops.runs")[0][0])

    def status() -> dict[str, Any]:
        found: dict[str, Any] = served.http.get("/status").json()
        return found

    assert served.ended(served.trigger("hello"))["state"] == "succeeded"
    wait_for(lambda: copied() == 1, what="the run is copied to Life Hub")
    first = status()["git_sync_status"]["current_sha"]
    names.go()
    proxy.cut()
    proxy.mend()
    second = repository.commit({"jobs/more.py": "MORE = True"})
    for _ in range(3):
        served.http.post("/sync", timeout=60)
    assert served.ended(served.trigger("fails"))["state"] == "failed"
    assert served.ended(served.trigger("hello"))["state"] == "succeeded"
    unknown = "ame resolution"
    wait_for(lambda: unknown in str(status()["alerts"]["last_error"]), what="the alert cannot be sent")
    wait_for(lambda: unknown in str(status()["outbox"]["last_error"]), what="the copy cannot be made")
    said = status()
    assert "git.sauron.test" in said["git_sync_status"]["last_error"]
    assert said["git_sync_status"]["current_sha"] == first
    assert (said["outbox"]["waiting"], said["alerts"]["waiting"]) == (2, 1)
    assert "git.sauron.test" in served.http.get("/").text
    assert (copied(), alerted(people)) == (1, [])
    names.come()
    served.http.post("/sync", timeout=60)
    assert status()["git_sync_status"]["current_sha"] == second
    wait_for(lambda: copied() == 3, what="what waited is copied", seconds=RETRIED)
    wait_for(lambda: alerted(people) == ["job.failing"], what="the alert comes", seconds=RETRIED)
    assert served.http.get("/audit").json()["clean"]
