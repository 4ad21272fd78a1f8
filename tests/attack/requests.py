"""Requests that two readers may read differently: odd paths, and messages without one clear end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.attack.judge import Attempt, admitted, refused, refused_once, without
from tests.attack.target import Target
from tests.attack.wire import Response, request

ROUND = (
    "//jobs",
    "///jobs",
    "/./jobs",
    "/health/../jobs",
    "/health/..//jobs",
    "/health/%2e%2e/jobs",
    "/health%2f..%2fjobs",
    "/health;/../jobs",
    "/health/..;/jobs",
    "/health\\..\\jobs",
    "/%6a%6f%62%73",
    "/jobs;x",
    "/jobs;/health",
    "/jobs/",
    "/jobs//",
    "/jobs%2f",
    "/jobs%00",
    "/jobs%00/health",
    "/jobs%23/health",
    "/jobs%3f/health",
    "/jobs%20",
    "/jobs.json",
    "/jobs.css",
    "/jobs/.",
    "/jobs/health",
    "/JOBS",
    "/Jobs",
    "/jobs?/health",
    "/jobs#/health",
    "/health?/../jobs",
    "/health#/../jobs",
    "/health/%252e%252e/jobs",
    "/%2e/jobs",
    "/ui/../jobs",
    "/ui/%2e%2e/status",
    "/health/../ui/runs/x",
    "/static/../status",
    "/.git/config",
    "/.env",
    "/..%2f.env",
    "/ui/..%2f.env",
    "/%5cjobs",
    "jobs",
    "*",
    "http:/jobs",
    "http:///jobs",
    "https://127.0.0.1/jobs",
    "http://health/jobs",
    "//health/jobs",
    "//health/../jobs",
    "/%e0%80%afjobs",
    "/%c0%ae%c0%ae/jobs",
    "/jobs\t",
    "/\u2215jobs",
    "/status/../status",
    "/ready/",
)
FILES = (
    "../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "....//....//....//etc/passwd",
    "..\\..\\..\\etc\\passwd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "..%252f..%252f..%252fetc%252fpasswd",
    "file:///etc/passwd",
    "..%c0%af..%c0%afetc/passwd",
    "passwd%00.html",
)
ACTS = (
    "//jobs/hello/trigger",
    "/jobs/hello//trigger",
    "/jobs/hello/trigger/",
    "/jobs/hello/./trigger",
    "/jobs//hello/trigger",
    "/jobs/x/../hello/trigger",
    "/jobs/hello%2ftrigger",
    "/jobs/hello/trigger%2f",
    "/jobs/hello/trigger;read",
    "/jobs/hello/trigger%00",
    "/jobs/hello/trigger?scope=operate",
    "/jobs/hello/%74rigger",
    "/health/../jobs/hello/trigger",
    "/jobs/../jobs/hello/trigger",
    "/JOBS/hello/trigger",
    "/jobs/%68ello/trigger",
    "/jobs/hello/trigger.json",
    "/ui/../jobs/hello/trigger",
    "/ui//jobs/hello/trigger",
    "/jobs/hello/disable/../trigger",
)


def _public_alone(responses: Sequence[Response]) -> str | None:
    """Judge a path near a public one: /health itself may be answered, and nothing else."""
    if responses and responses[0].status == 200 and b'"healthy"' in responses[0].body and len(responses) == 1:
        return "it holds more than /health" if b"jobs" in responses[0].body else None
    return refused(responses)


def paths(target: Target) -> Iterator[Attempt]:
    """Yield paths that try to get around the gate, out of the folder, or past a reader's scope."""
    for path in ROUND:
        yield Attempt(f"nobody, GET {path}", request("GET", path, host=target.host), _public_alone)
    token = target.tokens["read"]
    yield Attempt("a reader, GET /jobs", request("GET", "/jobs", host=target.host, token=token), admitted)
    for path in FILES:
        for place in ("/", "/jobs/", "/ui/runs/", "/runs/", "/ui/runs/x/log?after="):
            sent = request("GET", place + path, host=target.host, token=token)
            yield Attempt(f"a reader, GET {place}{path}", sent, without("root:x:", "root:*:"))
    for path in ACTS:
        sent = request("POST", path, host=target.host, token=token)
        yield Attempt(f"a reader, POST {path}", sent)
        yield Attempt(f"nobody, POST {path}", request("POST", path, host=target.host))


def _message(target: Target, lines: str, body: bytes = b"", method: str = "POST") -> bytes:
    """Return a message of a caller who may, as a proxy would pass it on; `lines` are sent as they are."""
    start = f"{method} /jobs/no-such/trigger HTTP/1.1\r\nHost: {target.host}\r\n"
    return f"{start}Authorization: Bearer {target.tokens['admin']}\r\n{lines}\r\n".encode("latin-1") + body


LENGTHS = {
    "two lengths": "Content-Length: 0\r\nContent-Length: {n}\r\n",
    "two lengths, long first": "Content-Length: {n}\r\nContent-Length: 0\r\n",
    "a list of lengths": "Content-Length: 0, {n}\r\n",
    "a signed length": "Content-Length: +{n}\r\n",
    "a negative length": "Content-Length: -1\r\n",
    "an underscore": "Content-Length: 1_0\r\n",
    "a hex length": "Content-Length: 0x10\r\n",
    "a length with a letter": "Content-Length: 5x\r\n",
    "an empty length": "Content-Length: \r\n",
    "a decimal point": "Content-Length: 5.0\r\n",
    "a length no computer has": "Content-Length: 99999999999999999999999999\r\n",
    "length and chunks": "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n",
    "chunks and length": "Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n",
    "chunks, spelled oddly": "Transfer-Encoding: xchunked\r\n",
    "chunks not last": "Transfer-Encoding: chunked, identity\r\n",
    "chunks twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "chunks quoted": 'Transfer-Encoding: "chunked"\r\n',
    "chunks after a tab": "Transfer-Encoding:\x0bchunked\r\n",
    "identity": "Transfer-Encoding: identity\r\nContent-Length: {n}\r\n",
    "gzip": "Transfer-Encoding: gzip, chunked\r\n",
    "a space in the name": "Transfer-Encoding : chunked\r\n",
    "a space in the length's name": "Content-Length : {n}\r\n",
    "a folded line": "Transfer-Encoding:\r\n chunked\r\n",
    "a folded header": "X-A: b\r\n c\r\n",
    "a line without a colon": "nonsense\r\n",
    "an empty name": ": x\r\n",
    "NUL in a name": "X-A\0: b\r\n",
    "NUL in a value": "X-A: b\0c\r\n",
    "a bare CR": "X-A: b\rContent-Length: {n}\r\n",
    "a bare LF": "X-A: b\nContent-Length: {n}\r\n",
    "a bare LF for chunks": "X-A: b\nTransfer-Encoding: chunked\r\n",
    "a space before the first": " X-A: b\r\n",
    "brackets in a name": "X(A): b\r\n",
}
CHUNKS = {
    "a size with 0x": "0x5\r\nhello\r\n0\r\n\r\n",
    "a negative size": "-5\r\nhello\r\n0\r\n\r\n",
    "a signed size": "+5\r\nhello\r\n0\r\n\r\n",
    "an underscore": "1_0\r\nhello\r\n0\r\n\r\n",
    "a size too big": "ffffffffffffffffffff\r\nhello",
    "no size": "\r\nhello\r\n0\r\n\r\n",
    "LF after the size": "5\nhello\r\n0\r\n\r\n",
    "more than the size": "2\r\nhello\r\n0\r\n\r\n",
    "LF in an extension": "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "letters": "xyz\r\nhello\r\n0\r\n\r\n",
    "a space": "5 \r\nhello\r\n0\r\n\r\n",
}
STARTS = {
    "no version": "GET /jobs\r\n\r\n",
    "0.9": "GET /jobs HTTP/0.9\r\n\r\n",
    "2.0": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "9.9": "GET /jobs HTTP/9.9\r\n\r\n",
    "no HTTP": "GET /jobs FTP/1.1\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "SSH": "SSH-2.0-x\r\n\r\n",
    "zeros": "\0\0\0\0\r\n\r\n",
    "NUL in the path": "GET /jobs\0 HTTP/1.1\r\n\r\n",
    "LF in the path": "GET /jobs\nX: HTTP/1.1\r\n\r\n",
    "a tab": "GET\t/jobs\tHTTP/1.1\r\n\r\n",
    "two paths": "GET /health /jobs HTTP/1.1\r\n\r\n",
    "a version twice": "GET /jobs HTTP/1.1 HTTP/1.1\r\n\r\n",
    "letters in the version": "GET /jobs HTTP/1.x\r\n\r\n",
    "an upgrade": "GET /jobs HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
}


def smuggling(target: Target) -> Iterator[Attempt]:
    """Yield messages whose end is unclear, each with a second request hidden behind it."""
    hidden = _message(target, "Connection: close\r\n").replace(b"no-such", b"hello")
    length = len(b"0\r\n\r\n" + hidden)
    for name, lines in LENGTHS.items():
        for method in ("POST", "GET"):
            sent = _message(target, lines.format(n=length), b"0\r\n\r\n" + hidden, method)
            yield Attempt(f"{name}, {method}", sent, refused_once)
    for name, chunks in CHUNKS.items():
        sent = _message(target, "Transfer-Encoding: chunked\r\n", chunks.encode() + hidden)
        yield Attempt(f"chunks: {name}", sent, refused_once)
    clear = _message(target, "Connection: close\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n")
    yield Attempt("a clear message", clear, admitted)
    for name, start in STARTS.items():
        yield Attempt(f"a first line: {name}", start.encode("latin-1"), refused_once)
    token = target.tokens["admin"]
    for name, line in {
        "a space in its name": f"Authorization : Bearer {token}",
        "after a bare LF": f"X-A: b\nAuthorization: Bearer {token}",
        "after a bare CR": f"X-A: b\rAuthorization: Bearer {token}",
        "in a folded line": f"X-A: b\r\n Authorization: Bearer {token}",
        "with an underscore": f"Authorizatio_n: Bearer {token}",
    }.items():
        yield Attempt(f"a credential {name}", request("GET", "/jobs", line, host=target.host))
