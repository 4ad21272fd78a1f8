from __future__ import annotations

from chalicelib.api.response_headers import SECURITY_HEADERS, missing_headers
from tests.unit.api.client import Client
from tests.unit.api.conftest import Build


def test_a_header_that_is_there_is_left_alone_whatever_its_case() -> None:
    missing = missing_headers(["content-security-policy", "CACHE-CONTROL", "Content-Type"])
    assert set(missing) == set(SECURITY_HEADERS) - {"Content-Security-Policy", "Cache-Control"}
    assert missing_headers(SECURITY_HEADERS) == {}


def test_https_is_kept_to_where_people_reach_sauron_over_it(build: Build) -> None:
    for url, sent in (("https://ops.test/sauron", "max-age=31536000"), ("http://ops.test", None), ("", None)):
        build(SAURON_PUBLIC_URL=url)
        for path in ("/health", "/", "/jobs/none"):
            assert Client().get(path).headers.get("strict-transport-security") == sent
