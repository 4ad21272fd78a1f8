"""The page and its forms through a real nginx, with what operators usually write into it.

Sauron's own server runs here, with the real application and store. The browser is one that speaks plain http:
it sends an Origin with every form, and nothing else that names a site.
"""

from __future__ import annotations

import html
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import app
from chalicelib import wiring
from chalicelib.settings import Settings
from sauron.gateway import Gateway
from sauron.http import Server
from tests.conftest import ManualClock, define
from tests.facts import wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt: nginx-light)")

CONFIGURATION = """
daemon off;
pid {folder}/pid;
error_log stderr error;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    {location}
  }}
}}
"""
DEFAULT = "location / {{ proxy_pass http://{sauron}; }}"
HOST_WITHOUT_PORT = """location / {{
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-Host $http_host;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_pass http://{sauron};
}}"""
HOST_PASSED_ON = "location / {{ proxy_set_header Host $http_host; proxy_pass http://{sauron}; }}"
PREFIX_REMOVED = "location /tools/sauron/ {{ proxy_pass http://{sauron}/; }}"


@dataclass
class Browser:
    """What a person has open: the page of a Sauron behind nginx, over plain http."""

    port: int
    http: httpx.Client

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def links(self, page: httpx.Response) -> list[httpx.URL]:
        return [
            page.url.join(html.unescape(place)) for place in re.findall(r'<a [^>]*?href="([^"]+)"', page.text)
        ]

    def forms(self, page: httpx.Response) -> dict[str, httpx.URL]:
        form = r'<form method="post" action="([^"]+)">(?:<input[^>]*>)*<button[^>]*>([^<]+)<'
        found = re.findall(form, page.text)
        return {label: page.url.join(action) for action, label in found}

    def press(
        self, page: httpx.Response, label: str, *, sure: bool = False, **headers: str
    ) -> httpx.Response:
        return self.post(self.forms(page)[label], sure=sure, **headers)

    def post(self, address: str | httpx.URL, *, sure: bool = False, **headers: str) -> httpx.Response:
        sent = {"Origin": self.origin, **headers}
        fields = {"confirm": "yes"} if sure else None
        return self.http.post(address, headers=sent, data=fields, follow_redirects=True)


Open = Callable[..., Browser]


@pytest.fixture
def behind(tmp_path: Path, clock: ManualClock, empty_store: Path) -> Iterator[Open]:
    """Start a Sauron with one job and an nginx in front of it; `path` is that of SAURON_PUBLIC_URL."""
    ends: list[Callable[[], object]] = []

    def start(location: str, path: str | None) -> Browser:
        shutil.copy(empty_store, tmp_path / "store.sqlite3")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        environ = {"JOB_QUEUE_DB_URL": f"sqlite:///{tmp_path}/store.sqlite3", "JOBS_DIR": f"{tmp_path}/jobs"}
        if path is not None:
            environ["SAURON_PUBLIC_URL"] = f"http://127.0.0.1:{port}{path}"
        sauron = wiring.build(Settings.read(environ), clock=clock, runtime=wiring.LAMBDA)
        ends.append(sauron.close)
        define(sauron.store, clock, "backup", "0 3 * * *")
        wiring.PROCESS.set(sauron)
        ends.append(lambda: wiring.PROCESS.set(None))
        server = Server(Gateway(app), host="127.0.0.1", port=0)
        server.start()
        ends.append(lambda: server.stop(timedelta(seconds=5)))
        text = CONFIGURATION.format(
            folder=tmp_path, port=port, location=location.format(sauron=f"127.0.0.1:{server.port}")
        )
        (tmp_path / "nginx.conf").write_text(text)
        nginx = subprocess.Popen(
            [str(NGINX), "-p", str(tmp_path), "-e", "stderr", "-c", str(tmp_path / "nginx.conf")]
        )
        ends.extend([lambda: nginx.wait(10), nginx.terminate])
        wait_until(lambda: nginx.poll() is not None or _listens(port))
        http = httpx.Client(trust_env=False, timeout=20)
        ends.append(http.close)
        return Browser(port, http)

    yield start
    for end in reversed(ends):
        end()


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("location", "path"),
    [
        pytest.param(DEFAULT, "", id="nginx's own default: Host is the upstream's"),
        pytest.param(HOST_WITHOUT_PORT, "/", id="Host loses the port"),
        pytest.param(HOST_PASSED_ON, None, id="Host is passed on, no public address"),
        pytest.param(PREFIX_REMOVED, "/tools/sauron", id="a path of a shared host"),
    ],
)
def test_the_page_and_its_forms_work_behind_nginx(behind: Open, location: str, path: str | None) -> None:
    browser = behind(location, path)
    home = f"{browser.origin}{(path or '').rstrip('/')}/"
    page = browser.http.get(f"{home}ui/jobs/backup")
    assert page.status_code == 200
    queued = browser.press(page, "Run now")
    assert (queued.status_code, "The run was queued." in queued.text) == (200, True)
    assert str(queued.url).startswith(f"{home}ui/jobs/backup?did=triggered")
    run = browser.http.get(next(link for link in browser.links(queued) if "/ui/runs/" in str(link)))
    assert (run.status_code, "Queued" in run.text) == (200, True)
    assert "The run is being cancelled." in browser.press(run, "Cancel…", sure=True).text
    asked = browser.post(f"{home}ui/jobs/backup/disable")
    assert "Nothing has been changed yet." in asked.text
    off = browser.post(f"{home}ui/jobs/backup/disable", sure=True)
    assert "The job is switched off." in off.text
    assert "The job is switched on." in browser.post(f"{home}ui/jobs/backup/enable").text
    for seen in (page, queued, run, asked):
        for link in browser.links(seen):
            assert browser.http.get(link).status_code == 200, link


def test_without_the_public_address_the_refusal_says_what_did_not_agree(behind: Open) -> None:
    browser = behind(HOST_WITHOUT_PORT, None)
    page = browser.http.get(f"{browser.origin}/ui/jobs/backup")
    refused = browser.press(page, "Run now", Accept="application/json")
    assert refused.status_code == 403
    detail = refused.json()["detail"]
    assert f"A page of {browser.origin} sent this request, whose Host is 127.0.0.1;" in detail
    assert "SAURON_PUBLIC_URL" in detail


@pytest.mark.parametrize("location", [DEFAULT, HOST_WITHOUT_PORT, HOST_PASSED_ON])
def test_another_site_stays_another_site_behind_nginx(behind: Open, location: str) -> None:
    browser = behind(location, "")
    page = browser.http.get(f"{browser.origin}/ui/jobs/backup")
    evil: dict[str, Any] = {
        "Origin": "http://evil.example",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
    }
    assert browser.press(page, "Run now", **evil).status_code == 403


def test_what_nginx_keeps_closed_has_no_second_spelling(behind: Open) -> None:
    browser = behind("location = /jobs {{ return 403; }} " + HOST_PASSED_ON, None)
    assert browser.http.get(f"{browser.origin}/jobs").status_code == 403
    for spelling in ("//jobs", "/jobs;x=1", "/;/jobs", "/%2e/jobs", "/x/../jobs", "/%6aobs", "/jobs%3bx"):
        answer = browser.http.get(f"{browser.origin}{spelling}")
        assert answer.status_code in {403, 404}, spelling
