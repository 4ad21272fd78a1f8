from __future__ import annotations

from chalicelib.api.response_headers import SECURITY_HEADERS, missing_headers


def test_a_header_that_is_there_is_left_alone_whatever_its_case() -> None:
    missing = missing_headers(["content-security-policy", "CACHE-CONTROL", "Content-Type"])
    assert set(missing) == set(SECURITY_HEADERS) - {"Content-Security-Policy", "Cache-Control"}
    assert missing_headers(SECURITY_HEADERS) == {}
