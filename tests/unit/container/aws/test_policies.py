from __future__ import annotations

import json
import shutil
from pathlib import Path

from sauron.aws import package
from sauron.aws.cloud import Cloud
from tests.e2e.outside import ROOT


def test_a_policy_reaches_aws_for_one_partition_region_and_account_and_mail_for_the_region_that_sends_it(
    tmp_path: Path,
) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / ".chalice", root / ".chalice", ignore=shutil.ignore_patterns("deploy*"))
    for name in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / name, root)
    ours = {"Resource": ["*", "arn:aws:s3:::bucket/*", "arn:aws:sqs:*:210987654321:other"]}
    (root / ".chalice/policy-prod-mine.json").write_text(json.dumps(ours), encoding="utf-8")
    china = Cloud(None, "cn-north-1", "123456789012", "arn:aws-cn:iam::123456789012:user/me", "aws-cn")
    for variables, mail in (({}, "us-east-1"), ({"AWS_SES_REGION": "cn-northwest-1"}, "cn-northwest-1")):
        folder = package.copy(root, "prod", package.config(root, "prod", variables), china)
        for file in sorted((folder / ".chalice").glob("policy-*-[!m]*.json")):
            for statement in json.loads(file.read_text(encoding="utf-8"))["Statement"]:
                resources = statement["Resource"]
                for resource in [resources] if isinstance(resources, str) else resources:
                    service = resource.split(":")[2]
                    region = mail if service == "ses" else "cn-north-1"
                    assert resource.startswith(f"arn:aws-cn:{service}:{region}:123456789012:"), resource
        assert json.loads((folder / ".chalice/policy-prod-mine.json").read_text(encoding="utf-8")) == {
            "Resource": ["*", "arn:aws-cn:s3:::bucket/*", "arn:aws-cn:sqs:*:210987654321:other"]
        }
