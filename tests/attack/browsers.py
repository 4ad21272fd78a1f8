"""What hostile pages make a browser send: posts across sites, foreign names, markup that is shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence

from tests.attack.judge import Attempt, admitted, refused, without
from tests.attack.target import Target
from tests.attack.wire import Response, request

POSTS = (
    "/jobs/hello/trigger",
    "/jobs/hello/disable",
    "/sync",
    "/alerts/test",
    "/ui/jobs/hello/trigger",
    "/ui/jobs/hello/disable",
    "/ui/sync",
)
SITES = {
    "cross-site": ["Sec-Fetch-Site: cross-site"],
    "same-site": ["Sec-Fetch-Site: same-site"],
    "another origin": ["Origin: https://evil.test"],
    "no origin": ["Origin: null"],
    "an empty origin": ["Origin: "],
    "our name in the path": ["Origin: https://evil.test/{host}"],
    "our name as the user": ["Origin: http://{host}@evil.test"],
    "our name in front": ["Origin: http://{host}.evil.test"],
    "another port": ["Origin: http://127.0.0.1:1"],
    "no port": ["Origin: http://127.0.0.1"],
    "two origins": ["Origin: http://{host}", "Origin: https://evil.test"],
    "cross-site with our origin": ["Sec-Fetch-Site: cross-site", "Origin: http://{host}"],
    "a site nobody knows": ["Sec-Fetch-Site: here", "Origin: http://{host}"],
    "two sites": ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
    "another origin, our referrer": ["Origin: https://evil.test", "Referer: http://{host}/"],
    "an underscore": ["Origin: https://evil.test", "X_Forwarded_Host: evil.test"],
    "an extension": ["Origin: chrome-extension://abcdef"],
    "a file": ["Origin: file://"],
}
KINDS = ("application/x-www-form-urlencoded", "text/plain", "application/json")

NAMES = (
    "evil.test",
    "evil.test:{port}",
    "EVIL.test",
    "evil.test.",
    "127.0.0.1.evil.test",
    "127-0-0-1.evil.test",
    "localhost.evil.test",
    "evil.test.localhost.test",
    "localhosts.test",
    "xlocalhost.test",
    "[::1].evil.test",
    "[evil.test]",
    "user@evil.test",
    "127.0.0.1@evil.test",
    "evil.test@127.0.0.1",
    "evil.test#127.0.0.1",
    "evil.test/127.0.0.1",
    "evil.test?127.0.0.1",
    "127.0.0.1,evil.test",
    "evil.test,127.0.0.1",
    "127.0.0.1 evil.test",
    "evil.test\\@127.0.0.1",
    "evil.test:80:{port}",
    "evil.test:x",
    "127.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.0.0.1.nip.test",
    "sauron.evil.test",
    "\u0131ocalhost.test",
    "evil%2etest",
    "..",
    ".evil.test",
)
READS = ("/jobs", "/status", "/", "/runs")

MARK = "attack7"
MARKUP = (
    f"<script>alert({MARK})</script>",
    f'"><img src=x onerror=alert({MARK})>',
    f"'><svg/onload=alert({MARK})>",
    f"</pre><script src=//evil.test/{MARK}>",
    f"<!--<iframe srcdoc={MARK}>",
    f"<a href=javascript:{MARK}>x</a>",
    f"<style>@import '{MARK}'</style>",
    f"<base href=//evil.test/{MARK}>",
    f"<meta http-equiv=refresh {MARK}>",
    "{{7*1910191}}",
    "{% print(7*1910191) %}",
    "${7*1910191}",
    "<%= 7*1910191 %>",
)
RAW = (
    *(text for text in MARKUP if text.startswith(("<s", '"><', "'><", "</", "<!", "<a", "<b", "<m"))),
    "13371337",
)  # 7 * 1910191


def cross_site(target: Target) -> Iterator[Attempt]:
    """Yield posts that a page of another site makes a signed-in browser send."""
    signed_in = []
    if token := target.tokens.get("admin"):
        credential = base64.b64encode(f"me:{token}".encode()).decode()
        signed_in = [f"Authorization: Basic {credential}"]
    for path in POSTS:
        for name, lines in SITES.items():
            headers = [line.format(host=target.host) for line in lines]
            kind = KINDS[(len(path) + len(name)) % len(KINDS)]
            body = b"{}" if kind.endswith("json") else b"reason=x"
            sent = request(
                "POST", path, *headers, *signed_in, f"Content-Type: {kind}", host=target.host, body=body
            )
            yield Attempt(f"{name}, {path}", sent)
            if target.tokens and not path.startswith("/ui"):  # a browser that was given the API's own token
                bearer = request("POST", path, *headers, host=target.host, token=target.tokens["admin"])
                yield Attempt(f"{name}, {path}, with a bearer token", bearer)
    own = request(
        "POST", "/ui/jobs/no-such/trigger", f"Origin: http://{target.host}", *signed_in, host=target.host
    )
    yield Attempt("our own page", own, admitted)


def rebinding(target: Target) -> Iterator[Attempt]:
    """Yield requests to an open API under names that a stranger can point here."""
    for pattern in NAMES:
        name = pattern.format(port=target.aim.port)
        for path in READS:
            yield Attempt(f"{name} GET {path}", request("GET", path, host=name))
        own = f"Origin: http://{name}"
        yield Attempt(f"{name} POST", request("POST", "/jobs/hello/trigger", own, host=name))
    yield Attempt("our own name", request("GET", "/jobs", host=target.host), admitted)
    for path in READS:
        for name in ("evil.test", f"evil.test:{target.aim.port}"):
            whole = f"http://{name}{path}"
            yield Attempt(f"GET {whole}", request("GET", whole, host=target.host))
            yield Attempt(f"GET {whole}, no Host", request("GET", whole, host=None))
        twice = request("GET", path, "Host: evil.test", host=target.host)
        yield Attempt(f"our Host and another, GET {path}", twice)
        other = request("GET", path, f"Host: {target.host}", host="evil.test")
        yield Attempt(f"another Host and ours, GET {path}", other)
        forwarded = request("GET", path, f"X-Forwarded-Host: {target.host}", host="evil.test")
        yield Attempt(f"another Host, ours forwarded, GET {path}", forwarded)


def markup(target: Target) -> Iterator[Attempt]:
    """Yield texts that would run in the page of whoever looks, and then every place that shows them."""
    host, token = target.host, target.tokens["admin"]
    credential = base64.b64encode(f"me:{token}".encode()).decode()
    page = (f"Authorization: Basic {credential}", "Accept: text/html")
    shows_none = without(*RAW)
    for text in MARKUP:
        body = json.dumps({"params": {text: [text, {"deep": text}]}, "reason": text}).encode()
        kind = "Content-Type: application/json"
        yield Attempt(
            "a trigger",
            request("POST", "/jobs/hello/trigger", kind, host=host, token=token, body=body),
            without(),
        )
        reason = json.dumps({"reason": text}).encode()
        yield Attempt(
            "a switch",
            request("POST", "/jobs/hello/enable", kind, host=host, token=token, body=reason),
            without(),
        )
        ref = json.dumps({"ref": text}).encode()
        yield Attempt("a ref", request("POST", "/sync", kind, host=host, token=token, body=ref), without())
        path = "".join(f"%{byte:02x}" for byte in text.encode())
        for place in (f"/ui/runs/{path}", f"/ui/jobs/{path}/trigger", f"/ui/runs/{path}/log"):
            method = "POST" if place.endswith("trigger") else "GET"
            yield Attempt(f"{text} in {place[:10]}", request(method, place, *page, host=host), shows_none)
        query = request("GET", f"/?q={path}&tag={path}", *page, host=host)
        yield Attempt(f"{text} in the query", query, shows_none)
    runs = target.ask("GET", "/runs?limit=50")["runs"]
    for place in ("/", *(f"/ui/runs/{run['id']}" for run in runs)):
        yield Attempt(f"the page {place}", request("GET", place, *page, host=host), shows_none)
    for line in (
        "%0d%0aSet-Cookie:%20attack=1",
        "%0aSet-Cookie:%20attack=1",
        "%E5%98%8ASet-Cookie:%20attack=1",
    ):
        for place in (f"/ui/jobs/hello{line}/trigger", f"/ui/runs/x{line}/retry", f"/ui/sync?x={line}"):
            sent = request("POST", place, *page, host=host)
            yield Attempt(f"a line break in {place}", sent, _no_cookie)
    yield Attempt(
        "X-Sauron-By", request("GET", "/", f"X-Sauron-By: {MARKUP[0]}", *page, host=host), shows_none
    )
    key = f"Idempotency-Key: {MARKUP[0].replace(' ', '')}"
    yield Attempt("a key", request("POST", "/jobs/no-such/trigger", key, host=host, token=token), refused)


def _no_cookie(responses: Sequence[Response]) -> str | None:
    for one in responses:
        if any(name.lower() == "set-cookie" for name, _ in one.headers):
            return "it set a cookie"
    return None
