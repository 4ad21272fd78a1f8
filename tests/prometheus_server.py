"""A real Prometheus on loopback that scrapes one Sauron each second, as docs/metrics.md says."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml  # type: ignore[import-untyped]

from tests.e2e.outside import wait_for
from tests.loopback import NO_TLS

DOCS = Path(__file__).parents[1] / "docs"
PROGRAM = shutil.which("prometheus")
MISSING = "prometheus is not installed; on Debian: apt-get install prometheus"


def scrape_config(target: str, token_file: Path) -> dict[str, Any]:
    """Return the scrape_configs of docs/metrics.md with another address, file and pace."""
    page = (DOCS / "metrics.md").read_text("utf-8")
    (text,) = re.findall(r"^scrape_configs:\n(?: .*\n)+", page, re.MULTILINE)
    read: dict[str, Any] = yaml.safe_load(text)
    (job,) = read["scrape_configs"]
    job["scrape_interval"] = "1s"
    job["authorization"]["credentials_file"] = str(token_file)
    job["static_configs"] = [{"targets": [target]}]
    return read


@dataclass
class Prometheus:
    """The process, and what its HTTP API says."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=NO_TLS, trust_env=False))

    def until_ready(self) -> Prometheus:
        def address() -> str | None:
            said = self.log.read_text("utf-8")
            assert self.process.poll() is None, said
            found = re.search(r'msg="Listening on" address=(\S+)', said)
            return found[1] if found else None

        self.url = "http://" + wait_for(address, what="Prometheus listens", seconds=20)
        wait_for(lambda: self.http.get(f"{self.url}/-/ready").is_success, what="Prometheus is ready")
        return self

    def ask(self, path: str, **query: str) -> Any:
        """Return the `data` of one question to its API."""
        answer = self.http.get(f"{self.url}/api/v1/{path}", params=query).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def value(self, expression: str) -> list[dict[str, Any]]:
        """Return what an expression is now: one entry for each series."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def firing(self) -> set[str]:
        return {
            one["labels"]["alertname"] for one in self.ask("alerts")["alerts"] if one["state"] == "firing"
        }

    def close(self) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait()


def prometheus(folder: Path, target: str, token: str) -> Prometheus:
    """Start it in a new folder over a Sauron at `host:port`, with the alert rules of the documentation."""
    assert PROGRAM, MISSING
    folder.mkdir()
    token_file, log, rules = folder / "token", folder / "log.txt", "prometheus-rules.yml"
    token_file.write_text(token, "utf-8")
    shutil.copy(DOCS / rules, folder)
    known = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [rules],
        **scrape_config(target, token_file),
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(known), "utf-8")
    files = ("--config.file=prometheus.yml", "--storage.tsdb.path=data")
    with log.open("wb") as said:
        started = subprocess.Popen(
            [PROGRAM, *files, "--web.listen-address=127.0.0.1:0"], cwd=folder, stdout=said, stderr=said
        )
    made = Prometheus(started, log)
    try:
        return made.until_ready()
    except BaseException:
        made.close()
        raise
