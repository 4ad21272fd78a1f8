"""What judges the attacks: a server that obeys everybody, or tells a secret, is found out."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import app as application
from tests.attack import browsers, credentials, leaks, load, requests, sign_in
from tests.attack.judge import Attempt, Kind, admitted, table, without
from tests.attack.target import SCOPES, Target
from tests.attack.wire import Aim, ForeignHostError, Response, parse

TOKENS = {scope: f"{scope}-token-of-this-test" for scope in SCOPES}


class Obedient(BaseHTTPRequestHandler):
    """Does whatever anybody asks."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_GET  # noqa: N815 - the standard library's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def obedient() -> Iterator[Target]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Obedient) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Target(Aim("127.0.0.1", server.server_port), TOKENS)
        server.shutdown()


@functools.cache
def tables() -> list[Attempt]:
    """All attempts of the tables that a server is to refuse."""
    target, routes = Target(Aim("127.0.0.1", 9), TOKENS), application.app.routes
    made = [
        *credentials.bad_credentials(target),
        *credentials.scope_matrix(target, routes),
        *credentials.methods(target),
        *sign_in.guesses(target),
        *sign_in.cookies(target),
        *browsers.cross_site(target),
        *browsers.rebinding(target),
        *requests.paths(target),
        *requests.smuggling(target),
        *load.sizes(target, (64 << 10,)),
    ]
    return [one for one in made if one.judge is not admitted and "passwd" not in one.name]


def test_every_table_tells_an_open_server_from_one_that_refuses() -> None:
    for one in tables():
        assert one.judge([Response(200)]) == "answered 200", one.name
        assert one.judge([Response(500)]) == "failed inside with 500", one.name
        assert one.judge([Response(401)]) is None, one.name


def test_an_open_server_is_found_out(obedient: Target) -> None:
    kind = Kind("bad credentials")
    kind.run(obedient.aim, [one for one in tables() if one.name.endswith("POST /sync")][:8])
    assert kind.tries == len(kind.through) == 8
    assert "bad credentials      8        8" in table([kind])
    assert "THROUGH  bad credentials: no value, POST /sync: answered 200" in table([kind])


def test_a_control_that_fails_counts_as_through() -> None:
    assert admitted([Response(404)]) is None
    for answers in ([], [Response(401)], [Response(403)], [Response(500)]):
        assert "the control failed" in str(admitted(answers))


def test_every_route_has_a_line_in_the_table_of_the_attacker() -> None:
    routes = {
        f"{method} {pattern}"
        for pattern, methods in application.app.routes.items()
        for method in methods
        if method != "HEAD"
    }
    assert routes == credentials.NEEDS.keys() | credentials.PUBLIC


def test_a_second_answer_to_an_unclear_message_is_found() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 No\r\n\r\n"
    answers = parse(data)
    assert [(one.status, one.body) for one in answers] == [(200, b"ok"), (404, b"")]
    (unclear,) = (one for one in tables() if one.name == "length and chunks, POST")
    assert unclear.judge([Response(400), Response(400)]) == "2 answers"


def test_a_secret_and_markup_are_found_wherever_they_are() -> None:
    kind = Kind("secrets")
    for form in leaks.spellings("door-12345"):
        leaks.find(kind, {"door": "door-12345"}, "the log", b"x" + form + b"y")
    leaks.find(kind, {"door": "door-12345"}, "the log", b"door-12346")
    assert (kind.tries, len(kind.through)) == (5, 4)
    assert "<script>" in str(without("<script>")([Response(404, (("X", "<script>"),))]))


def test_no_other_machine_is_attacked() -> None:
    with pytest.raises(ForeignHostError, match="Attack nothing but this machine"):
        Aim("192.0.2.1", 80)


def test_a_door_that_lets_in_or_leads_away_is_found_out() -> None:
    target = Target(Aim("127.0.0.1", 9), TOKENS)
    gave = ("Set-Cookie", "sauron_session=x; Path=/")
    guess, form, forged = (
        next(one for one in made if word in one.name)
        for made, word in (
            (sign_in.guesses(target), "cut"),
            (sign_in.redirects(target), "the form for"),
            (sign_in.cookies(target), "a browser"),
        )
    )
    leads = next(iter(sign_in.redirects(target)))
    assert guess.judge([Response(401, (gave,))]) == "it gave a cookie"
    assert forged.judge([Response(303, (("Location", "/ui/sign-in?next=%2F"),))]) is None
    assert forged.judge([Response(303, (("Location", "/ui/jobs"),))]) == "answered 303"
    assert leads.judge([Response(303, (("Location", "/"), gave))]) is None
    assert "led to" in str(leads.judge([Response(303, (("Location", "//evil.test"), gave))]))
    assert "other cookies" in str(leads.judge([Response(303, (("Location", "/"), gave, gave))]))
    assert "foreign name" in str(form.judge([Response(200, body=b"value=evil.test")]))
    assert form.judge([Response(200, body=b'value="/"')]) is None
