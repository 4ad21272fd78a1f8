from __future__ import annotations

import pytest

from sauron.aws.cloud import Cloud
from sauron.aws.names import PUBLIC_URL, Names
from sauron.aws.parameters import Parameter, removal, revision, steps, stored
from sauron.aws.plan import Act

HERE = Cloud(None, "eu-central-1", "123456789012", "arn:aws:iam::123456789012:user/me")
PROD = Names("prod")


def test_only_changed_secrets_are_written_and_others_stay_unless_forgotten() -> None:
    names = ("KEPT", "CHANGED", "LEFT", "FORGOTTEN")
    has = {name: Parameter("old", 1) for name in names}
    has["MOVED"] = Parameter("old", 1, ("/sauron/prod/api/MOVED",))
    has["LEFT_ELSEWHERE"] = Parameter("old", 0, ("/sauron/prod/LEFT_ELSEWHERE",))
    wants = {"KEPT": "old", "CHANGED": "new", "ADDED": "new", "MOVED": "old"}
    acts = {step.what: step.act for step in steps(HERE, PROD, wants, has, ["FORGOTTEN"])}
    assert acts == {
        "secret ADDED": Act.CREATE,
        "secret CHANGED": Act.CHANGE,
        "secret KEPT": Act.KEEP,
        "secret MOVED": Act.CHANGE,
        "secret LEFT_ELSEWHERE": Act.CHANGE,
        "secret FORGOTTEN": Act.REMOVE,
        "secret LEFT": Act.KEEP,
    }


def test_the_revision_changes_with_every_write_and_not_with_the_address_or_a_value() -> None:
    has = {"A": Parameter("x", 1), "B": Parameter("y", 1)}
    known = revision(has)
    assert revision({"A": Parameter("other", 1), "B": Parameter("y", 1)}) == known
    assert revision(has | {PUBLIC_URL: Parameter("https://x", 7)}) == known
    assert revision(has | {"A": Parameter("x", 2)}) != known
    assert revision({"A": has["A"]}) != known


def test_no_value_is_shown_when_a_parameter_is_printed() -> None:
    assert "hush" not in repr(Parameter("hush", 1))


@pytest.mark.slow
def test_a_secret_that_lies_elsewhere_moves_to_those_who_may_read_it() -> None:
    from moto.server import ThreadedMotoServer

    from tests.aws_server import Aws

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        aws, names = Aws(f"http://{host}:{port}", server), Names("moved")  # a stage of this test alone
        cloud, ssm = Cloud(aws, "us-east-1", "123456789012", "me"), aws.client("ssm")
        for path in ("STRIPE_KEY", "shared/SAURON_API_TOKENS", "api/SAURON_API_TOKENS", "DATABASE_URL"):
            ssm.put_parameter(Name=f"/sauron/moved/{path}", Value=path, Type="SecureString")
        desired = {"SAURON_API_TOKENS": "api/SAURON_API_TOKENS"}
        for step in steps(cloud, names, desired, stored(cloud, names), []):
            step.do(lambda _line: None)
        there = ssm.get_parameters_by_path(Path="/sauron/moved", Recursive=True, WithDecryption=True)
        assert {one["Name"]: one["Value"] for one in there["Parameters"]} == {
            "/sauron/moved/api/SAURON_API_TOKENS": "api/SAURON_API_TOKENS",
            "/sauron/moved/bundle/STRIPE_KEY": "STRIPE_KEY",
            "/sauron/moved/shared/DATABASE_URL": "DATABASE_URL",
        }
        has = stored(cloud, names)
        assert {step.act for step in steps(cloud, names, desired, has, [])} == {Act.KEEP}
        ssm.put_parameter(Name="/sauron/moved/STRIPE_KEY", Value="again", Type="SecureString")
        for step in removal(cloud, names):
            step.do(lambda _line: None)
        assert stored(cloud, names) == {}
    finally:
        server.stop()
