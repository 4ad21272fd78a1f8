from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.errors import SauronError
from sauron.aws import package
from sauron.aws.cloud import Cloud
from tests.e2e.outside import ROOT

HERE = Cloud(None, "eu-central-1", "123456789012", "arn:aws:iam::123456789012:user/me")


def test_the_digest_changes_with_the_settings_and_the_account_and_not_with_their_order() -> None:
    one, other = (package.config(ROOT, "prod", {"LOG_LEVEL": level}) for level in ("INFO", "DEBUG"))
    assert package.digest(ROOT, one, HERE) == package.digest(ROOT, dict(reversed(list(one.items()))), HERE)
    assert package.digest(ROOT, one, HERE) != package.digest(ROOT, other, HERE)
    assert package.digest(ROOT, one, HERE) != package.digest(ROOT, one, replace(HERE, account="210987654321"))
    assert list(one["stages"]) == ["prod"]


def test_an_unknown_stage_is_named_with_the_known_ones() -> None:
    with pytest.raises(SauronError, match="no stage 'blue'"):
        package.config(ROOT, "blue", {})


def test_the_plan_tells_of_a_python_whose_time_is_over() -> None:
    [told] = package.about_python((3, 11))
    assert "3.11" in told
    assert "make install PYTHON=" in told
    assert package.about_python((3, 12)) == package.about_python((3, 13)) == []
