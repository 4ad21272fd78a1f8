"""The built image, run as its compose file runs it: what it promises on a volume, and how it stops."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.outside import Served, wait_for
from tests.image.boxed import Boxed, filled, service
from tests.image.conftest import Start
from tests.image.workshop import Image

pytestmark = [pytest.mark.long, pytest.mark.image, pytest.mark.timeout(1200)]

ADMIN = "an-admin-token-of-the-tests"
SECRETS = {
    "api_tokens": f"tests:admin:{ADMIN}\n",
    "store": "sqlite:////data/store/named-by-a-file.sqlite3\n",
    "github": "github-secret\n",
    "crm": "crm-secret\n",
}
FILES = {
    "SAURON_API_TOKENS_FILE": "/run/secrets/api_tokens",
    "JOB_QUEUE_DB_URL_FILE": "/run/secrets/store",
    "GITHUB_TOKEN_FILE": "/run/secrets/github",
    "CRM_TOKEN_FILE": "/run/secrets/crm",  # what a job needs of its own comes from the file .env
    "LEDGER_TOKEN": "ledger-secret",
    "TZ": "Europe/Berlin",
    "HTTPS_PROXY": "http://proxy.example:3128",
    "NO_PROXY": "localhost",
}
Volume = Callable[[], Path]


@pytest.fixture(scope="module")
def data(volume: Volume) -> Path:
    return volume()


@pytest.fixture(scope="module")
def house(start: Start, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A container on an empty volume, whose secrets are files; most tests look at this one."""
    folder = tmp_path_factory.mktemp("secrets")
    folder.chmod(0o755)
    for name, text in SECRETS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o444)
    served = start(data, secrets=folder, **FILES).until_ready(Authorization=f"Bearer {ADMIN}")
    return revised(served)


def revised(served: Served) -> Served:
    """Wait until the bundle's revision is active."""
    wait_for(
        lambda: served.http.get("/status").json()["git_sync_status"]["current_sha"],
        what="a revision is active",
        seconds=60,
    )
    return served


def boxed(served: Served) -> Boxed:
    assert isinstance(served.process, Boxed)
    return served.process


def test_make_image_names_the_version_and_the_next_command(image: Image) -> None:
    assert re.search(
        r"^Built sauron:\d+\.\d+\.\d+\S*\. Hand it to docker: buildah push ", image.said, re.MULTILINE
    )


def test_on_an_empty_volume_it_is_healthy_and_its_health_check_agrees(house: Served, image: Image) -> None:
    answer = house.http.get("/health", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.json()["status"] == "healthy"
    kind, *command = image.healthcheck
    assert kind == "CMD"
    checked = boxed(house).execute(*command)
    assert checked.returncode == 0, checked.stderr


def test_it_runs_as_its_user_without_privileges_below_an_init(house: Served, image: Image) -> None:
    ids = boxed(house).execute("sh", "-c", "cat /proc/1/comm; cat /proc/[0-9]*/status").stdout
    assert ids.startswith("tini\n")
    assert image.uid == 10001
    assert set(re.findall(r"^Uid:\s+(.*)$", ids, re.MULTILINE)) == {"\t".join(["10001"] * 4)}
    assert set(re.findall(r"^CapEff:\s+(.*)$", ids, re.MULTILINE)) == {"0" * 16}
    assert "tini" not in house.logged()  # no warning at the start


def test_secrets_come_from_files_and_the_jobs_get_theirs(house: Served, data: Path) -> None:
    assert house.http.get("/jobs", headers={"Authorization": ""}).status_code == 401
    assert (data / "store/named-by-a-file.sqlite3").exists()
    assert not (data / "sauron.sqlite3").exists()
    run_id = house.trigger("secretive")
    assert house.ended(run_id)["state"] == "succeeded", house.log(run_id)
    length = sum(map(len, ("github-secret", "crm-secret", "ledger-secret")))
    assert house.log(run_id).splitlines()[-2:] == [str(length), "***"]


def test_a_job_knows_the_zone_and_the_proxies_of_the_compose_file(house: Served) -> None:
    run_id = house.trigger("keeps")
    assert house.ended(run_id)["state"] == "succeeded", house.log(run_id)
    told = {"TZ": "Europe/Berlin", "HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "localhost"}
    assert f"uid 10001 {told | {'HTTP_PROXY': None}} git version" in house.log(run_id)


def test_the_command_line_works_inside(house: Served) -> None:
    listed = boxed(house).execute("sauron", "list")
    assert listed.returncode == 0, listed.stderr
    assert "every-minute" in listed.stdout


def test_a_secret_file_that_its_user_may_not_read_is_named(
    start: Start, volume: Volume, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("github-secret\n")
    (tmp_path / "token").chmod(0o400)
    tmp_path.chmod(0o755)
    served = start(volume(), secrets=tmp_path, GITHUB_TOKEN_FILE="/run/secrets/token")
    assert served.process.wait(60) == 2
    assert "GITHUB_TOKEN_FILE" in served.logged()
    assert "/run/secrets/token" in served.logged()
    assert "Traceback" not in served.logged()


def test_on_a_volume_of_root_it_prints_the_chown_line_that_cures_it(start: Start, tmp_path: Path) -> None:
    root_owned = tmp_path / "volume"
    root_owned.mkdir(mode=0o755)
    refused = start(root_owned)
    assert refused.process.wait(60) == 1
    line = re.search(r"^sauron:   chown -R (\d+):(\d+) /data$", refused.logged(), re.MULTILINE)
    assert line, refused.logged()
    os.chown(root_owned, int(line[1]), int(line[2]))
    cured = revised(start(root_owned).until_ready())
    assert cured.http.get("/health").status_code == 200
    assert cured.stop() == 0


def test_with_a_read_only_root_it_runs_jobs_and_stops_cleanly(start: Start, volume: Volume) -> None:
    served = revised(start(volume(), read_only=True).until_ready())
    assert boxed(served).execute("touch", "/home/sauron/mark").returncode == 1
    run_id = served.trigger("keeps")
    assert served.ended(run_id)["state"] == "succeeded", served.log(run_id)
    assert served.stop() == 0


def test_it_stops_within_the_grace_period_although_a_job_ignores_the_signal(
    start: Start, volume: Volume
) -> None:
    given = re.fullmatch(r"(\d+)s", filled(service()["stop_grace_period"], {}))
    assert given
    place = volume()
    served = revised(start(place).until_ready())
    run_id = served.trigger("stubborn")
    wait_for(lambda: "begun" in served.log(run_id), what="the job has begun")
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    code = served.process.wait(60)
    took = time.monotonic() - began
    print(f"image: it stopped after {took:.1f} s of {given[1]} s")
    assert took < int(given[1])
    assert code == 0
    again = start(place).until_ready()
    run = again.run(run_id)
    assert run["state"] == "failed"
    assert [attempt["outcome"] for attempt in run["attempts"]] == ["interrupted"]
    assert "begun" in again.log(run_id)
    assert again.http.get("/audit").json()["clean"] is True


def test_a_job_of_the_bundle_runs_when_it_is_due(house: Served) -> None:
    def ran() -> str | None:
        runs = house.http.get("/runs?job_id=every-minute").json()["runs"]
        return next((one["id"] for one in runs if one["state"] == "succeeded"), None)

    run_id = wait_for(ran, what="an occurrence ran", seconds=90)
    assert house.run(run_id)["origin"] == "schedule"
    assert "uid 10001" in house.log(run_id)
