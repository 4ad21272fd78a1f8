from __future__ import annotations

import pytest

from sauron.aws.functions import digest_of


@pytest.mark.parametrize(
    ("description", "digest"),
    [
        ("Sauron 3.0.0, stage prod, source 0123456789ab", "0123456789ab"),
        ("written by hand", None),
        ("", None),
        (None, None),
    ],
)
def test_the_digest_of_a_deployment_is_read_from_the_description(
    description: str | None, digest: str | None
) -> None:
    assert digest_of({"Description": description}) == digest
