from __future__ import annotations

import pytest

from sauron.aws.cloud import AwsError
from sauron.aws.plan import Act, Plan, Report, Step, apply, step_for


class Seen:
    """Notes the progress of a plan."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step_started(self, step: Step, number: int, of: int) -> None:
        self.lines.append(f"{number}/{of} {step.act} {step.what}")

    def line(self, text: str) -> None:
        self.lines.append(text)


def nothing(_report: Report) -> None:
    pass


def test_a_step_creates_what_is_missing_changes_what_differs_and_keeps_the_rest() -> None:
    assert step_for("queue q", exists=False, differs=[], do=nothing).act is Act.CREATE
    changed = step_for("queue q", exists=True, differs=["a", "b"], do=nothing)
    assert (changed.act, changed.why) == (Act.CHANGE, "a, b")
    assert step_for("queue q", exists=True, differs=[], do=nothing).act is Act.KEEP


def test_only_steps_that_do_something_are_due() -> None:
    steps = (Step(Act.KEEP, "a"), Step(Act.CREATE, "b"), Step(Act.REMOVE, "c"))
    assert [step.what for step in Plan("prod", "1", "us-east-1", steps).due] == ["b", "c"]


def test_steps_are_applied_in_order_and_report_their_output() -> None:
    seen = Seen()
    apply([Step(Act.CREATE, "a", do=lambda report: report("made a")), Step(Act.CREATE, "b")], seen)
    assert seen.lines == ["1/2 create a", "made a", "2/2 create b"]


def test_the_first_failure_ends_the_plan_and_names_its_step() -> None:
    from botocore.exceptions import ClientError

    def fail(_report: Report) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "CreateQueue")

    seen = Seen()
    with pytest.raises(AwsError, match="Could not create a: AWS answered AccessDenied"):
        apply([Step(Act.CREATE, "a", do=fail), Step(Act.CREATE, "b")], seen)
    assert seen.lines == ["1/2 create a"]
