"""Every answer that a git host, or what stands before it, may give over HTTP has a sentence."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.http_answers import meaning, status_in
from tests.git_servers import GitHttpServer
from tests.unit.loader.git.sources import TOKEN, Kind

ERRORS = [*range(400, 600)]


def test_every_status_has_a_fault_and_a_sentence_that_names_it() -> None:
    for status in (204, 300, 304, *ERRORS):
        fault, sentence = meaning(status)
        assert fault is not SourceFault.FAILED, status
        if status in {401, 403, 404}:
            assert sentence == "", status
            continue
        said = sentence.format(host="git.test")
        assert f"HTTP {status}" in said
        assert "git.test" in said or "proxy" in said or "network" in said, status


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("fatal: unable to access 'https://h/r/': The requested URL returned error: 410", 410),
        ("error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413", 413),
        ("fatal: unable to access 'https://h/r/': CONNECT tunnel failed, response 407", 407),
        ("fatal: couldn't find remote ref", None),
    ],
)
def test_the_status_is_found_in_what_git_says(said: str, status: int | None) -> None:
    assert status_in(said) == status


@pytest.mark.process
@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    ("status", "fault", "words"),
    [
        (HTTPStatus.GONE, SourceFault.NOT_A_REPOSITORY, "the repository was removed from 127.0.0.1"),
        (HTTPStatus.TOO_MANY_REQUESTS, SourceFault.UNREACHABLE, "limits requests"),
        (HTTPStatus.IM_A_TEAPOT, SourceFault.NOT_A_REPOSITORY, "refuses the request (HTTP 418 I'm a Teapot)"),
        (HTTPStatus.SERVICE_UNAVAILABLE, SourceFault.UNREACHABLE, "is not in service now"),
        (520, SourceFault.UNREACHABLE, "has a fault or is too busy (HTTP 520)"),
        (HTTPStatus.OK, SourceFault.NOT_A_REPOSITORY, "replies with a web page"),
    ],
)
def test_both_readers_say_what_a_status_means(
    status: int,
    fault: SourceFault,
    words: str,
    token: str | None,
    kind: Kind,
    http: GitHttpServer,
    root: Path,
) -> None:
    http.status = status
    with pytest.raises(SourceError) as caught:
        kind(f"{http.url}/bundle/.git", root=root, token=token).fetch()
    assert words in str(caught.value)
    assert caught.value.fault is fault
    assert TOKEN not in str(caught.value)


@pytest.mark.process
@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    "page", ["{url}/oauth2/start?rd=%2Fo%2Fr&secret=s3", "http://localhost:{port}/cdn-cgi/login"]
)
def test_a_redirect_to_a_sign_in_page_is_called_so_with_its_address(
    page: str, token: str | None, kind: Kind, http: GitHttpServer, root: Path
) -> None:
    http.sign_in = page.format(url=http.url, port=http.url.rpartition(":")[2])
    with pytest.raises(SourceError, match="most likely a sign-in page") as caught:
        kind(f"{http.url}/bundle/.git", root=root, token=token).fetch()
    assert http.sign_in.partition("?")[0] in str(caught.value)
    assert "s3" not in str(caught.value)
    assert caught.value.fault is SourceFault.ADDRESS
