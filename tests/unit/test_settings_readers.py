from __future__ import annotations

import pytest

from chalicelib.errors import SettingsError
from chalicelib.settings import Settings


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://ops.test", ""),
        ("https://ops.test/", ""),
        ("https://ops.test/sauron", "/sauron"),
        ("https://ops.test:8443/tools/Sauron-1/", "/tools/Sauron-1"),
        ("https://ops.test/%C3%BCber", "/%C3%BCber"),
    ],
)
def test_the_public_address_may_have_a_path(url: str, path: str) -> None:
    assert Settings.read({"SAURON_PUBLIC_URL": url}).public_path == path


@pytest.mark.parametrize(
    "url",
    [
        "https://ops.test//evil.test",
        "https://ops.test/a//b",
        "https://ops.test/sauron//",
        "https://ops.test/../x",
        "https://ops.test/%2e%2E/x",
        "https://ops.test/a/./",
        'https://ops.test/"x',
        "https://ops.test/über",
        "https://ops.test/sauron?x=1",
        "https://ops.test/?",
        "https://ops.test/#jobs",
    ],
)
def test_a_public_address_that_no_link_can_begin_with_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"SAURON_PUBLIC_URL.*(for example https://host/sauron|\? or #)"):
        Settings.read({"SAURON_PUBLIC_URL": url})
