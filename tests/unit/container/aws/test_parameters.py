from __future__ import annotations

from sauron.aws.cloud import Cloud
from sauron.aws.names import PUBLIC_URL, Names
from sauron.aws.parameters import Parameter, revision, steps
from sauron.aws.plan import Act

HERE = Cloud(None, "eu-central-1", "123456789012", "arn:aws:iam::123456789012:user/me")
PROD = Names("prod")


def test_only_changed_secrets_are_written_and_others_stay_unless_forgotten() -> None:
    names = ("KEPT", "CHANGED", "LEFT", "FORGOTTEN")
    has = {name: Parameter(PROD.parameter(name), "old", 1) for name in names}
    has["MOVED"] = Parameter("/sauron/prod/api/MOVED", "old", 1)
    wants = {"KEPT": "old", "CHANGED": "new", "ADDED": "new", "MOVED": "old"}
    acts = {step.what: step.act for step in steps(HERE, PROD, wants, has, ["FORGOTTEN"])}
    assert acts == {
        "secret ADDED": Act.CREATE,
        "secret CHANGED": Act.CHANGE,
        "secret KEPT": Act.KEEP,
        "secret MOVED": Act.CHANGE,
        "secret FORGOTTEN": Act.REMOVE,
        "secret LEFT": Act.KEEP,
    }


def test_the_revision_changes_with_every_write_and_not_with_the_address_or_a_value() -> None:
    has = {"A": Parameter("/A", "x", 1), "B": Parameter("/B", "y", 1)}
    known = revision(has)
    assert revision({"A": Parameter("/A", "other", 1), "B": Parameter("/B", "y", 1)}) == known
    assert revision(has | {PUBLIC_URL: Parameter("/U", "https://x", 7)}) == known
    assert revision(has | {"A": Parameter("/A", "x", 2)}) != known
    assert revision({"A": has["A"]}) != known


def test_no_value_is_shown_when_a_parameter_is_printed() -> None:
    assert "hush" not in repr(Parameter("/A", "hush", 1))
