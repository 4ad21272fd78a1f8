"""The door of the pages: guessed tokens, forged cookies, cookies at the API, and where a sign-in leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from chalicelib.api import session_cookie
from chalicelib.settings_readers import Token
from tests.attack.browsers import SITES
from tests.attack.judge import Attempt, admitted, refused
from tests.attack.target import Target
from tests.attack.wire import Response, request

FORM, PAGE = "Content-Type: application/x-www-form-urlencoded", "Accept: text/html"
PAGES = ("/", "/ui/jobs", "/ui/settings")
API = ("GET /jobs", "GET /status", "GET /audit-log", "POST /sync", "POST /jobs/hello/trigger", "POST /mcp")
AWAY = (
    "//evil.test",
    "///evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "https://evil.test",
    "https:evil.test",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.test",
    "/.evil.test",
    "/@evil.test",
    "/%2f/evil.test",
    "/%5cevil.test",
    "/ui/..//evil.test",
    "/ui/%2e%2e//evil.test",
    "/ui/jobs\r\nSet-Cookie: attack=1",
    "/ui/jobs\r\n\r\n<script>",
    "/ui\u2215evil.test",
    "\u2028//evil.test",
)


def guesses(target: Target) -> Iterator[Attempt]:
    """Yield sign-ins with no right token, and a right one that another site sends."""
    token = target.tokens["admin"]
    wrong = {
        "nothing": "",
        "no token": "token=",
        "two tokens": f"token={token}&token={token}",
        "another field": f"password={token}",
        "a field more": f"token={token}&scope=admin",
        "cut": f"token={token[:-1]}",
        "longer": f"token={token}x",
        "upper case": f"token={token.upper()}",
        "with its name": f"token=admin:{token}",
        "the whole entry": f"token=admin:admin:{token}",
        "the name": "token=admin",
        "NUL behind": f"token={token}%00",
        "SQL": "token=%27+OR+%271%27%3D%271",
        "very long": f"token={'a' * 60_000}",
    }
    for name, body in wrong.items():
        sent = request("POST", "/ui/sign-in", FORM, PAGE, host=target.host, body=body.encode())
        yield Attempt(f"sign-in with {name}", sent, _no_cookie)
    json = request(
        "POST", "/ui/sign-in", "Content-Type: application/json", host=target.host, body=b'{"token": "x"}'
    )
    yield Attempt("sign-in with JSON", json, _no_cookie)
    for name, lines in SITES.items():
        headers = [line.format(host=target.host) for line in lines]
        form = f"token={token}".encode()
        sent = request("POST", "/ui/sign-in", *headers, FORM, host=target.host, body=form)
        yield Attempt(f"a right token, {name}", sent, _no_cookie)


def cookies(target: Target) -> Iterator[Attempt]:
    """Yield requests with forged cookies for pages, and with a right one for what it does not count for."""
    now = datetime.now(UTC)
    admin, reader = (Token(scope, scope, target.tokens[scope]) for scope in ("admin", "read"))
    good = session_cookie.value(admin, now)
    name, end, own, signature = good.split(":")
    forged = {
        "the token": admin.value,
        "name and token": f"admin:{end}:{own}:{admin.value}",
        "no signature": f"{name}:{end}:{own}:",
        "a signature of nothing": f"{name}:{end}:{own}:{'A' * 43}",
        "a cut one": good[:-1],
        "one in quotes": f'"{good}"',
        "another end": f"{name}:{int(end) + 1}:{own}:{signature}",
        "another name": f"operate:{end}:{own}:{signature}",
        "an ended one": session_cookie.value(admin, now - timedelta(days=8)),
        "a key of one's own": session_cookie.value(Token("admin", "admin", "x" * 32), now),
        "the key of a reader": session_cookie.value(Token("admin", "admin", reader.value), now),
        "a scope that was raised": session_cookie.value(Token("read", "admin", reader.value), now),
        "a scope that was lowered": session_cookie.value(Token("admin", "read", admin.value), now),
        "a JWT": "eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImFkbWluIn0.",
        "pickle": "gASVCgAAAAAAAACMBWFkbWlulC4=",
        "30 KB": "A" * 30_000,
    }
    for kind, one in forged.items():
        sent = f"Cookie: {session_cookie.NAME}={one}"
        for path in PAGES:
            yield Attempt(f"{kind}, {path}", request("GET", path, sent, host=target.host))
            yield Attempt(
                f"{kind}, {path}, a browser", request("GET", path, sent, PAGE, host=target.host), _led
            )
        yield Attempt(f"{kind}, a post", request("POST", "/ui/sync", sent, PAGE, FORM, host=target.host))
    right = f"Cookie: {session_cookie.NAME}={good}"
    for route in API:
        method, path = route.split()
        yield Attempt(f"a right cookie, {route}", request(method, path, right, PAGE, host=target.host))
    for kind, lines in SITES.items():
        headers = [line.format(host=target.host) for line in lines]
        for path in ("/ui/sync", "/ui/jobs/hello/disable", "/ui/sign-out"):
            yield Attempt(
                f"a right cookie, {kind}, {path}",
                request("POST", path, *headers, right, FORM, host=target.host, body=b"reason=x"),
                _no_cookie,
            )
    weak = f"Cookie: {session_cookie.NAME}={session_cookie.value(reader, now)}"
    for path in ("/ui/sync", "/ui/jobs/hello/trigger", "/ui/jobs/hello/disable"):
        yield Attempt(f"a reader's cookie, {path}", request("POST", path, weak, FORM, host=target.host))
    yield Attempt("a reader's cookie, settings", request("GET", "/ui/settings", weak, host=target.host))
    yield Attempt("a right cookie, /", request("GET", "/", right, host=target.host), admitted)


def redirects(target: Target) -> Iterator[Attempt]:
    """Yield sign-ins with a right token that are to lead away, or to set another cookie."""
    token = target.tokens["read"]
    for place in AWAY:
        body = f"token={token}&next={quote(place, safe='')}".encode()
        yield Attempt(
            f"sign-in to {place!r}",
            request("POST", "/ui/sign-in", FORM, PAGE, host=target.host, body=body),
            _stays,
        )
        asked = f"/ui/sign-in?next={quote(place, safe='')}"
        yield Attempt(f"the form for {place!r}", request("GET", asked, PAGE, host=target.host), _shows_none)


def _cookies(one: Response) -> list[str]:
    return [value for name, value in one.headers if name.lower() == "set-cookie"]


def _no_cookie(responses: Sequence[Response]) -> str | None:
    for one in responses:
        if any(f"{session_cookie.NAME}=;" not in value for value in _cookies(one)):
            return "it gave a cookie"
    return refused(responses)


def _led(responses: Sequence[Response]) -> str | None:
    """Return None for a refusal, and for the way to the sign-in, which gives nothing."""
    for one in responses:
        places = [value for name, value in one.headers if name.lower() == "location"]
        if one.status == 303 and [place.partition("?")[0] for place in places] == ["/ui/sign-in"]:
            continue
        if why := refused([one]):
            return why
    return None


def _stays(responses: Sequence[Response]) -> str | None:
    for one in responses:
        places = [value for name, value in one.headers if name.lower() == "location"]
        if one.status != 303 or places != ["/"]:
            return f"answered {one.status} and led to {places}"
        if len(_cookies(one)) != 1:
            return "it gave other cookies"
    return None


def _shows_none(responses: Sequence[Response]) -> str | None:
    for one in responses:
        if one.status >= 500 or _cookies(one) or b'href="//' in one.raw or b"url=//" in one.raw:
            return f"answered {one.status} and leads away"
        if b"evil.test" in one.body:
            return "the page holds the foreign name"
    return None
