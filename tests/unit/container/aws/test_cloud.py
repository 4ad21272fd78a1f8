from __future__ import annotations

import pytest

from sauron.aws.cloud import AwsError, Cloud, aws_errors, ignore_missing

HERE = Cloud(None, "eu-central-1", "123456789012", "arn:aws:iam::123456789012:user/me")


def error(code: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code, "Message": "so it is"}}, "Act")


def test_an_arn_names_partition_region_and_account() -> None:
    assert HERE.arn("sqs", "q") == "arn:aws:sqs:eu-central-1:123456789012:q"


def test_another_process_gets_the_credentials_in_its_environment_and_no_profile() -> None:
    import boto3

    session = boto3.Session("key", "secret", "token", region_name="eu-west-1")
    cloud = Cloud(session, "eu-west-1", "123456789012", "arn:aws:iam::123456789012:user/me")
    assert cloud.environ() == {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
    }
    assert "secret" not in repr(cloud)


def test_an_error_of_aws_names_the_act_the_code_and_what_to_do() -> None:
    with pytest.raises(AwsError) as raised, aws_errors("create queue q"):
        raise error("ExpiredToken")
    assert str(raised.value) == (
        "Could not create queue q: AWS answered ExpiredToken: so it is "
        "The credentials have expired: sign in again."
    )


def test_missing_credentials_are_said_with_the_setting() -> None:
    from botocore.exceptions import NoCredentialsError

    with pytest.raises(AwsError, match="set AWS_PROFILE"), aws_errors("find your credentials"):
        raise NoCredentialsError


def test_a_missing_resource_is_no_error_and_any_other_fault_is() -> None:
    from botocore.exceptions import ClientError

    with ignore_missing():
        raise error("ResourceNotFoundException")
    with pytest.raises(ClientError), ignore_missing():
        raise error("AccessDenied")
