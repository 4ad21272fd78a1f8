"""The container's files: the entrypoint runs for real; compose file and Dockerfile are read as data."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chalicelib.settings import SETTINGS, Settings
from sauron.main import CLOSE_LIMIT
from sauron_jobs_loader.toolkit import known_hosts

pytestmark = pytest.mark.process

CONTAINER = Path(__file__).resolve().parents[3] / "container"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----"
OF_THE_PLACE = ("TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
COOLIFY_STOPS_AFTER = 30  # seconds, its default
HOSTS = "git.example.org ssh-ed25519 AAAA\nother.example.org ssh-ed25519 BBBB"


def start(folder: Path, command: str = "env -0", **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "run").mkdir(exist_ok=True)
    environ = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "JOB_QUEUE_DB_URL": f"sqlite:///{folder}/data/sauron.sqlite3",
        "JOBS_DIR": f"{folder}/data/jobs",
        "XDG_RUNTIME_DIR": str(folder / "run"),
        **variables,
    }
    argv = ["sh", str(CONTAINER / "entrypoint.sh"), "sh", "-c", command]
    return subprocess.run(
        argv, env=environ, cwd=folder, capture_output=True, text=True, check=False, timeout=30
    )


def environment(folder: Path, **variables: str) -> dict[str, str]:
    ended = start(folder, **variables)
    assert ended.returncode == 0, ended.stderr
    return dict(line.split("=", 1) for line in ended.stdout.split("\0") if line)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load((CONTAINER / "docker-compose.yml").read_text())
    assert isinstance(document, dict)
    return document


def test_the_command_becomes_the_process_and_its_exit_code_is_kept(tmp_path: Path) -> None:
    assert start(tmp_path, command="exit 7").returncode == 7
    assert (tmp_path / "data/jobs").is_dir()


@pytest.mark.parametrize("ending", ["\n", "", "\r\n"])
def test_the_ssh_key_becomes_a_file_that_only_its_user_reads(tmp_path: Path, ending: str) -> None:
    given = encoded(KEY.replace("\n", "\r\n" if "\r" in ending else "\n") + ending)
    path = Path(environment(tmp_path, SSH_PRIVATE_KEY_B64=given)["SAURON_SSH_KEY_PATH"])
    assert path.read_text() == KEY + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent == tmp_path / "run"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_ssh_key_may_come_wrapped_and_from_a_file(tmp_path: Path, mark: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text(mark + "\n".join(re.findall(".{1,20}", encoded(KEY))) + "\n", encoding="utf-8")
    seen = environment(tmp_path, SSH_PRIVATE_KEY_B64="", SSH_PRIVATE_KEY_B64_FILE=str(secret))
    assert Path(seen["SAURON_SSH_KEY_PATH"]).read_text() == KEY + "\n"


def test_a_restart_replaces_the_key_and_leaves_nothing_else(tmp_path: Path) -> None:
    environment(tmp_path, SSH_PRIVATE_KEY_B64=encoded(KEY))
    environment(tmp_path, SSH_PRIVATE_KEY_B64=encoded(KEY.replace("bm90", "bmV3")))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["ssh_key"]
    assert "bmV3" in (tmp_path / "run/ssh_key").read_text()


def test_without_a_runtime_folder_the_key_goes_to_a_folder_of_its_own(tmp_path: Path) -> None:
    seen = environment(
        tmp_path, XDG_RUNTIME_DIR="/nonexistent", TMPDIR=str(tmp_path), SSH_PRIVATE_KEY_B64=encoded(KEY)
    )
    folder = Path(seen["SAURON_SSH_KEY_PATH"]).parent
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_key_file_that_is_named_already_is_left_alone(tmp_path: Path) -> None:
    seen = environment(tmp_path, SAURON_SSH_KEY_PATH="/keys/mine", SSH_PRIVATE_KEY_B64=encoded(KEY))
    assert seen["SAURON_SSH_KEY_PATH"] == "/keys/mine"


@pytest.mark.parametrize("given", ["not base64!", encoded("no key"), encoded(KEY)[:-9] + "?"])
def test_a_wrong_key_is_refused_with_the_cure_and_not_printed(tmp_path: Path, given: str) -> None:
    ended = start(tmp_path, SSH_PRIVATE_KEY_B64=given)
    assert ended.returncode == 1
    assert "SSH_PRIVATE_KEY_B64" in ended.stderr
    assert "base64 -w0 <" in ended.stderr
    assert given not in ended.stderr


def test_a_key_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for file in ("/nonexistent/key", str(tmp_path), str(tmp_path / "empty"), "/dev/zero"):
        ended = start(tmp_path, SSH_PRIVATE_KEY_B64_FILE=file)
        assert ended.returncode == 1, file
        assert f"SSH_PRIVATE_KEY_B64_FILE={file} " in ended.stderr


def test_known_hosts_given_as_text_become_a_file(tmp_path: Path) -> None:
    seen = environment(tmp_path, SAURON_SSH_KNOWN_HOSTS=HOSTS)
    assert Path(seen["SAURON_SSH_KNOWN_HOSTS"]).read_text() == HOSTS + "\n"


def test_known_hosts_given_as_a_file_stay_that_file(tmp_path: Path) -> None:
    file = tmp_path / "known hosts"
    file.write_text(HOSTS)
    assert environment(tmp_path, SAURON_SSH_KNOWN_HOSTS=str(file))["SAURON_SSH_KNOWN_HOSTS"] == str(file)


@pytest.mark.parametrize(
    "given",
    [
        "h ssh-rsa A",
        "h\tecdsa-sha2-nistp256 A",
        "h sk-ssh-ed25519@openssh.com A",
        "a\nb",
        "/nonexistent/a b",
        "ssh-rsa",
    ],
)
def test_the_entrypoint_tells_text_from_a_path_as_the_loader_does(tmp_path: Path, given: str) -> None:
    assert (start(tmp_path, SAURON_SSH_KNOWN_HOSTS=given).returncode == 0) is known_hosts.is_inline(given)


def test_known_hosts_that_are_neither_are_refused(tmp_path: Path) -> None:
    ended = start(tmp_path, SAURON_SSH_KNOWN_HOSTS="/nonexistent/known_hosts")
    assert ended.returncode == 1
    assert "ssh-keyscan" in ended.stderr


@pytest.mark.parametrize("given", ["DATABASE_URL", "LIFE_HUB_DB_URL"])
def test_life_hub_is_known_by_both_names(tmp_path: Path, given: str) -> None:
    seen = environment(
        tmp_path, **{"DATABASE_URL": "", "LIFE_HUB_DB_URL": "", given: "postgresql://hub/life"}
    )
    assert seen["DATABASE_URL"] == seen["LIFE_HUB_DB_URL"] == "postgresql://hub/life"


def test_an_empty_variable_keeps_the_default_of_the_image(tmp_path: Path) -> None:
    seen = environment(tmp_path, API_HOST="")
    assert seen["API_HOST"] == "0.0.0.0"  # noqa: S104 - the container listens for its network


def test_a_store_named_by_a_file_wins_over_the_default_of_the_image(tmp_path: Path) -> None:
    default = "sqlite:////data/sauron.sqlite3"
    seen = environment(tmp_path, JOB_QUEUE_DB_URL=default, JOB_QUEUE_DB_URL_FILE="/run/secrets/store")
    assert "JOB_QUEUE_DB_URL" not in seen


@pytest.mark.parametrize("variable", ["JOB_QUEUE_DB_URL", "JOBS_DIR"])
def test_an_unwritable_folder_prints_the_chown_line_to_run(tmp_path: Path, variable: str) -> None:
    place = "/proc/sauron"  # nobody can write there, root included
    ended = start(
        tmp_path, **{variable: place if variable == "JOBS_DIR" else f"sqlite:///{place}/sauron.sqlite3"}
    )
    assert ended.returncode == 1
    assert re.search(rf"^sauron:   chown -R \d+:\d+ {place}$", ended.stderr, re.MULTILINE)


def test_no_container_file_weakens_host_key_checks() -> None:
    for file in ("entrypoint.sh", "Dockerfile", "docker-compose.yml"):
        text = (CONTAINER / file).read_text().lower()
        assert "stricthostkeychecking" not in text
        assert "sslverify" not in text


def test_compose_passes_on_every_setting() -> None:
    passed = compose()["services"]["sauron"]["environment"]
    for setting in SETTINGS:
        for name in (setting.name, *setting.aliases):
            assert str(passed.get(name, "")).startswith(f"${{{name}:-"), (
                f"docker-compose.yml does not pass on {name}"
            )


def test_compose_says_nothing_that_settings_do_not_know() -> None:
    passed = compose()["services"]["sauron"]["environment"]
    known = {name for setting in SETTINGS for name in (setting.name, *setting.aliases)}
    files = {f"{setting.name}_FILE" for setting in SETTINGS if setting.from_file}
    assert files <= passed.keys()
    assert passed.keys() <= known | files | set(OF_THE_PLACE)
    defaults = {name: value.partition(":-")[2].removesuffix("}") for name, value in passed.items()}
    assert Settings.read(defaults).warnings == ()


def test_compose_passes_on_the_zone_and_the_proxies_and_what_jobs_need_besides() -> None:
    service = compose()["services"]["sauron"]
    for name in OF_THE_PLACE:
        assert service["environment"][name] == f"${{{name}:-}}"
    assert service["env_file"] == [{"path": "../.env", "required": False}]


def test_an_empty_zone_or_proxy_is_none(tmp_path: Path) -> None:
    assert not environment(tmp_path, **dict.fromkeys(OF_THE_PLACE, "")).keys() & set(OF_THE_PLACE)
    assert environment(tmp_path, TZ="Europe/Berlin")["TZ"] == "Europe/Berlin"


def test_compose_closes_what_no_job_needs() -> None:
    service = compose()["services"]["sauron"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]


def test_compose_stops_later_than_the_drain_and_keeps_data_in_a_volume() -> None:
    service = compose()["services"]["sauron"]
    seconds = {
        setting.name: int(setting.default or 0) for setting in SETTINGS if setting.name.endswith("_SECONDS")
    }
    needed = seconds["SAURON_DRAIN_SECONDS"] + seconds["SAURON_KILL_GRACE_SECONDS"]
    found = re.fullmatch(r"\$\{STOP_GRACE_PERIOD:-(\d+)s\}", service["stop_grace_period"])
    assert found
    assert needed + CLOSE_LIMIT.total_seconds() < int(found[1]) <= COOLIFY_STOPS_AFTER
    assert service["restart"] == "unless-stopped"
    assert "sauron-data:/data" in service["volumes"]
    assert "ports" not in service


def test_the_image_runs_as_an_ordinary_user_and_reports_its_health() -> None:
    text = (CONTAINER / "Dockerfile").read_text()
    assert "--uid 10001" in text
    assert re.search(r"^USER sauron$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)
    assert 'ENTRYPOINT ["tini", "-s", "--", "entrypoint.sh"]' in text
    assert "--require-hashes" in text
