"""Who asks, and what they may: bad credentials, routes and scopes, methods that stand for others."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

from tests.attack.judge import Attempt, admitted, forbidden, refused
from tests.attack.target import SCOPES, Target
from tests.attack.wire import request

# What each route needs, written down here a second time: the server's own table is what is tried.
NEEDS = {
    "GET /": "read",
    "GET /alerts": "read",
    "GET /audit": "read",
    "GET /audit-log": "read",
    "GET /jobs": "read",
    "GET /jobs/{job_id}": "read",
    "GET /jobs/{job_id}/why": "read",
    "GET /metrics": "read",
    "GET /next": "read",
    "GET /ready": "read",
    "GET /runs": "read",
    "GET /runs/{run_id}": "read",
    "GET /runs/{run_id}/log": "read",
    "GET /status": "read",
    "GET /simulate": "read",
    "GET /ui/audit": "read",
    "GET /ui/events": "read",
    "GET /ui/bundle": "read",
    "GET /ui/rollback": "read",
    "GET /ui/next": "read",
    "GET /ui/jobs": "read",
    "GET /ui/jobs/{job_id}": "read",
    "GET /ui/jobs/{job_id}/trigger": "read",
    "GET /ui/jobs/{job_id}/enable": "read",
    "GET /ui/jobs/{job_id}/disable": "read",
    "GET /ui/runs": "read",
    "GET /ui/settings": "operate",
    "GET /ui/runs/{run_id}": "read",
    "GET /ui/runs/{run_id}/log": "read",
    "GET /ui/script/{digest}": "read",
    "GET /ui/runs/{run_id}/cancel": "read",
    "POST /jobs/{job_id}/trigger": "trigger",
    "POST /ui/jobs/{job_id}/trigger": "trigger",
    "POST /jobs/{job_id}/enable": "operate",
    "POST /jobs/{job_id}/disable": "operate",
    "POST /ui/jobs/{job_id}/enable": "operate",
    "POST /ui/jobs/{job_id}/disable": "operate",
    "POST /runs/{run_id}/cancel": "operate",
    "POST /runs/{run_id}/retry": "operate",
    "POST /ui/runs/{run_id}/cancel": "operate",
    "POST /ui/runs/{run_id}/retry": "operate",
    "POST /mcp": "read",
    "POST /plan": "read",
    "POST /sync": "operate",
    "POST /pause": "operate",
    "POST /unpause": "operate",
    "POST /ui/unpause": "operate",
    "POST /ui/sync": "operate",
    "POST /ui/rollback": "operate",
    "POST /ui/jobs": "trigger",
    "POST /rollback": "operate",
    "POST /alerts/test": "operate",
    "POST /runners/{name}/drain": "operate",
    "POST /runners/{name}/resume": "operate",
}
PUBLIC = {
    "GET /health",
    "GET /openapi.json",
    "POST /hooks/git",  # a push proves a secret of its own
    "GET /ui/sign-in",
    "POST /ui/sign-in",
    "POST /ui/sign-out",
}
NAMES = {"job_id": "no-such", "run_id": "no-such", "name": "no-such", "digest": "no-such"}
TARGETS = (("GET", "/jobs"), ("GET", "/"), ("POST", "/jobs/hello/trigger"), ("POST", "/sync"))


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _spellings(token: str) -> dict[str, list[str | bytes]]:
    """Return headers that hold no right credential, though each is near one."""
    raw = token.encode()
    values: dict[str, str | bytes] = {
        "no value": "",
        "the scheme alone": "Bearer",
        "an empty token": "Bearer ",
        "no scheme": token,
        "a wrong scheme": f"Token {token}",
        "Digest": f"Digest {token}",
        "Negotiate": f"Negotiate {token}",
        "a glued scheme": f"Bearer{token}",
        "a colon": f"Bearer:{token}",
        "an equals sign": f"Bearer={token}",
        "a truncated token": f"Bearer {token[:-1]}",
        "a beginning": f"Bearer {token[:8]}",
        "the end": f"Bearer {token[8:]}",
        "one letter more": f"Bearer {token}x",
        "a wildcard": "Bearer *",
        "doubled": f"Bearer {token}{token}",
        "two in one": f"Bearer {token}, Bearer {token}",
        "upper case": f"Bearer {token.upper()}",
        "reversed": f"Bearer {token[::-1]}",
        "quoted": f'Bearer "{token}"',
        "in base64": "Bearer " + base64.b64encode(raw).decode(),
        "in hex": f"Bearer {raw.hex()}",
        "percent-encoded": "Bearer " + "".join(f"%{b:02x}" for b in raw),
        "NUL behind": b"Authorization: Bearer " + raw + b"\0",
        "NUL before": b"Authorization: Bearer \0" + raw,
        "Latin-1 behind": b"Authorization: Bearer " + raw + b"\xe9",
        "no UTF-8": b"Authorization: Bearer \xff\xfe",
        "full width": "Bearer " + "".join(chr(ord(c) + 0xFEE0) for c in token),
        "a zero-width space": f"Bearer {token}\u200b",
        "null": "Bearer null",
        "undefined": "Bearer undefined",
        "true": "Bearer true",
        "JSON": f'Bearer {{"token": "{token}"}}',
        "SQL": "Bearer ' OR '1'='1",
        "a name": "Bearer admin",
        "name, scope and token": f"Bearer admin:admin:{token}",
        "an unsigned JWT": "Bearer eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImFkbWluIn0.",
        "64 KB less one": "Bearer " + "a" * 30000,
        "Basic, token as the name": _basic(token, ""),
        "Basic, wrong password": _basic("admin", token[:-1]),
        "Basic, no base64": "Basic ###",
        "Basic, NUL behind": _basic("admin", token + "\0"),
        "Basic, no colon": "Basic " + base64.b64encode(raw).decode(),
        "Basic, the token bare": f"Basic {token}",
    }
    found: dict[str, list[str | bytes]] = {
        name: [value if isinstance(value, bytes) else f"Authorization: {value}"]
        for name, value in values.items()
    }
    right, wrong = f"Authorization: Bearer {token}", "Authorization: Bearer wrong"
    return found | {
        "nothing": [],
        "wrong, then right": [wrong, right],
        "right, then wrong": [right, wrong],
        "right twice": [right, right],
        "in a cookie": [f"Cookie: token={token}; Authorization=Bearer {token}"],
        "X-Api-Key": [f"X-Api-Key: {token}"],
        "X-Auth-Token": [f"X-Auth-Token: {token}"],
        "Proxy-Authorization": [f"Proxy-Authorization: Bearer {token}"],
        "X-Forwarded-Authorization": [f"X-Forwarded-Authorization: Bearer {token}"],
        "a name of a person": ["X-Sauron-By: admin", wrong],
        "X-Forwarded-User": ["X-Forwarded-User: admin"],
        "as this machine": ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"],
        "as another path": ["X-Original-URL: /health", "X-Rewrite-URL: /health"],
    }


def bad_credentials(target: Target) -> Iterator[Attempt]:
    """Yield requests without a right credential."""
    token = target.tokens["admin"]
    for method, path in TARGETS:
        for name, headers in _spellings(token).items():
            yield Attempt(f"{name}, {method} {path}", request(method, path, *headers, host=target.host))
        for query in ("token", "access_token", "api_key", "Authorization", "authorization"):
            asked = f"{path}?{query}={token}"
            yield Attempt(
                f"in the query as {query}, {method} {path}", request(method, asked, host=target.host)
            )
    yield Attempt("in the fragment", request("GET", f"/jobs#{token}", host=target.host))
    yield Attempt(
        "in the address", request("GET", f"http://admin:{token}@{target.host}/jobs", host=target.host)
    )
    yield Attempt(
        "Basic on the API", request("GET", "/jobs", f"Authorization: {_basic('a', token)}", host=target.host)
    )
    for path in ("/jobs", "/"):
        sent = request("GET", path, host=target.host, token=token)
        yield Attempt(f"a right token after all of these, GET {path}", sent, admitted)


def scope_matrix(target: Target, routes: Mapping[str, object]) -> Iterator[Attempt]:
    """Yield each route for each scope and for nobody; a route that NEEDS lacks is asked as if nobody may."""
    for pattern, methods in routes.items():
        path = pattern.format(**NAMES)
        for method in methods if isinstance(methods, dict) else ():
            route = f"{'GET' if method == 'HEAD' else method} {pattern}"
            if route in PUBLIC:
                continue
            needed = NEEDS.get(route)
            for scope in ("nobody", *SCOPES):
                may = scope in SCOPES and needed is not None and SCOPES.index(scope) >= SCOPES.index(needed)
                sent = request(method, path, host=target.host, token=target.tokens.get(scope))
                yield Attempt(f"{scope}, {method} {pattern}", sent, admitted if may else forbidden)


def methods(target: Target) -> Iterator[Attempt]:
    """Yield requests of a reader whose method, or another one that is named beside it, is no reader's."""
    token = target.tokens["read"]
    yield Attempt("a reader, GET /jobs", request("GET", "/jobs", host=target.host, token=token), admitted)
    for path in ("/jobs/hello/trigger", "/jobs/hello/disable", "/sync", "/ui/sync"):
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method"):
            for method in ("GET", "HEAD", "POST"):
                sent = request(method, path, f"{name}: POST", host=target.host, token=token)
                yield Attempt(f"{method} {path} with {name}: POST", sent)
            sent = request("POST", path, f"{name}: GET", host=target.host, token=token)
            yield Attempt(f"POST {path} with {name}: GET", sent)
        for query in ("_method=POST", "method=POST", "_method=GET"):
            yield Attempt(
                f"GET {path}?{query}", request("GET", f"{path}?{query}", host=target.host, token=token)
            )
            yield Attempt(
                f"POST {path}?{query}", request("POST", f"{path}?{query}", host=target.host, token=token)
            )
        form = request(
            "POST",
            path,
            "Content-Type: application/x-www-form-urlencoded",
            host=target.host,
            token=token,
            body=b"_method=GET",
        )
        yield Attempt(f"POST {path} with _method=GET in the body", form)
    for method in (
        "PUT",
        "PATCH",
        "DELETE",
        "TRACE",
        "TRACK",
        "CONNECT",
        "PROPFIND",
        "COPY",
        "DEBUG",
        "post",
        "PoSt",
        "GETPOST",
        "G ET",
        "*",
        "\u0130",
    ):
        for path in ("/jobs", "/jobs/hello", "/jobs/hello/trigger", "/sync"):
            yield Attempt(f"{method} {path}", request(method, path, host=target.host, token=token), refused)
