"""One request line is one path, for a proxy as for Sauron."""

from __future__ import annotations

import json

import pytest
from chalice.app import Blueprint, Chalice

import app as application
from chalicelib.api.routing import get
from sauron.gateway import Gateway
from sauron.request_target import RequestTarget, TargetError, read_target


def other_spellings(path: str) -> list[str]:
    first, _, rest = path.removeprefix("/").partition("/")
    found = [f"/{path}", f"//x{path}", f"http://localhost/{path}", f"/./{path.removeprefix('/')}"]
    found += [f"/x/..{path}", f"/%2e%2E{path}", f"{path.rstrip('/')}//"]
    if rest:
        found += [f"/{first}//{rest}", f"/{first};x=1/{rest}"]
    elif first:
        found += [f"{path};x=1", f"{path};"]
    return found


def test_no_route_has_a_second_spelling() -> None:
    gateway = Gateway(application.app)
    for path, methods in application.app.routes.items():
        for method in (*methods, "OPTIONS"):
            for other in other_spellings(path.format(job_id="backup", run_id="x", name="x", digest="x")):
                assert gateway.handle(method, other, {"host": "x"}, b"").status == 404, (method, other)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("b%61ckup", "backup"),
        ("%2562ackup", "%62ackup"),
        ("a%252e", "a%2e"),
        ("backup;x=1", "backup;x=1"),
        ("a%2Fb", "a/b"),
        ("a+b", "a+b"),
        ("%C3%BC", "ü"),
    ],
)
def test_a_name_in_the_path_is_decoded_once_and_whole(sent: str, name: str) -> None:
    blueprint = Blueprint("small")

    @get(blueprint, "/echo/{name}")
    def echo(name: str) -> dict[str, str]:
        return {"name": name}

    small = Chalice("small", configure_logs=False)
    small.register_blueprint(blueprint)
    assert json.loads(Gateway(small).handle("GET", f"/echo/{sent}", {}, b"").body) == {"name": name}


@pytest.mark.parametrize(
    ("method", "target", "segments", "authority"),
    [
        ("GET", "/", (), None),
        ("GET", "/jobs/", ("jobs",), None),
        ("GET", "/jobs?a=//b;c", ("jobs",), None),
        ("GET", "http://h:80", (), "h:80"),
        ("GET", "HTTPS://h?x=/y", (), "h"),
        ("GET", "http://h/a/b", ("a", "b"), "h"),
        ("OPTIONS", "*", (), None),
    ],
)
def test_every_form_of_a_target_is_read(
    method: str, target: str, segments: tuple[str, ...], authority: str | None
) -> None:
    read = read_target(method, target)
    assert (read.segments, read.authority) == (segments, authority)


def test_the_query_begins_at_the_first_question_mark_and_keeps_what_is_empty() -> None:
    assert read_target("GET", "/runs?since=a%2Bb&x=&x=1?2").query == {"since": ["a+b"], "x": ["", "1?2"]}


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "jobs"),
        ("GET", "*"),
        ("GET", "?x=1"),
        ("GET", "http:///jobs"),
        ("GET", "ftp://localhost/jobs"),
        ("CONNECT", "localhost:80"),
        ("GET", "/jobs#x"),
        ("GET", "/jo\tbs"),
        ("GET", "/jobs?tag=größe"),
        ("GET", "/jobs\x7f"),
    ],
)
def test_what_is_no_target_of_http_is_400(method: str, target: str) -> None:
    with pytest.raises(TargetError) as refused:
        read_target(method, target)
    assert refused.value.status == 400


def test_bytes_that_are_not_utf_8_are_400_on_every_route_in_path_and_query() -> None:
    gateway = Gateway(application.app)
    for path, methods in application.app.routes.items():
        for bad in ("%ff", "a%C3", "%C0%AF", "%ED%A0%80", "%e9t%e9"):
            named = path.format(job_id=bad, run_id=bad, name=bad, digest=bad)
            for target in {named, f"{path.format(job_id='x', run_id='x', name='x', digest='x')}?q={bad}"}:
                if bad in target:
                    for method in methods:
                        answer = gateway.handle(method, target, {"host": "x"}, b"")
                        assert answer.status == 400, (method, target)
                        assert method == "HEAD" or b"not UTF-8" in answer.body


def test_a_path_of_a_target_has_no_slash_at_its_end() -> None:
    assert RequestTarget(("ui", "sync"), {}, None).path == "/ui/sync"
    assert RequestTarget((), {}, None).path == "/"
