from __future__ import annotations

import pytest
from waitress.adjustments import Adjustments

from sauron.strict_parser import StrictParser

START = "POST /sync HTTP/1.1\r\nHost: sauron\r\nAuthorization: Bearer my-token\r\n"


def read(head: str) -> StrictParser:
    parser = StrictParser(Adjustments())
    parser.received(head.encode("latin-1") + b"\r\n")
    return parser


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Send one of them"),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "Send one of them"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "more than one Transfer-Encoding"),
        ("Transfer-Encoding: chunked, chunked\r\n", "more than one Transfer-Encoding"),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "more than one Content-Length"),
        ("Host: other\r\n", "more than one Host"),
        ("Transfer-Encoding:\r\n chunked\r\n", "in a second line"),
        ("X-A: b\r\n\tc\r\n", "in a second line"),
        ("X-A: b\nX-B: my-token\r\n", "bare CR or LF"),
        ("X-A: b\rX-B: my-token\r\n", "bare CR or LF"),
        ("X-A : my-token\r\n", "Invalid header"),
    ],
)
def test_a_head_with_two_readings_is_refused_and_not_repeated(lines: str, told: str) -> None:
    error = read(START + lines).error
    assert error is not None
    assert error.code == 400
    assert told in error.body
    assert "my-token" not in error.body


def test_chunks_in_http_1_0_are_refused() -> None:
    error = read("POST /sync HTTP/1.0\r\nTransfer-Encoding: chunked\r\n").error
    assert error is not None
    assert "HTTP/1.0 has no Transfer-Encoding" in error.body


@pytest.mark.parametrize(
    "lines", ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Accept: a\r\nAccept: b\r\n"]
)
def test_a_head_with_one_reading_is_read(lines: str) -> None:
    parser = read(START + lines)
    assert parser.error is None
    assert parser.headers["AUTHORIZATION"] == "Bearer my-token"
