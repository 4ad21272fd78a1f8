"""Every alarm fires when what it watches goes wrong and ends when that is over, by CloudWatch's own rules."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sauron.aws import alarms
from sauron.aws.names import Names

PROD = Names("prod")
ALARMS = {one["AlarmName"]: one for one in alarms.wanted(PROD)}
COMPARED: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}
COMBINED: dict[str, Callable[[Iterable[float]], float]] = {"Sum": sum, "Maximum": max}
PERIODS = 12  # of five minutes
BEGINS, ENDS = 4, 8  # of the fault
Metric = tuple[str, str, str]


@dataclass
class Metrics:
    """What AWS counts of a stage, minute by minute, in an hour."""

    values: dict[Metric, dict[int, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def called(self, minute: int, function: str, *, failed: bool = False, throttled: bool = False) -> None:
        """Count one call of a function; AWS counts a refused one as a throttle and not as a call."""
        counts = {"Throttles": 1.0} if throttled else {"Invocations": 1.0, "Errors": float(failed)}
        for name, value in ({"Throttles": 0.0} | counts).items():
            self.values["AWS/Lambda", name, function][minute].append(value)

    def queue(self, minute: int, name: str, *, received: int, left: int) -> None:
        """Count what a queue gave and what it holds."""
        if received:
            self.values["AWS/SQS", "NumberOfMessagesReceived", name][minute].append(received)
        self.values["AWS/SQS", "ApproximateNumberOfMessagesVisible", name][minute].append(left)


def states(alarm: dict[str, Any], metrics: Metrics) -> list[str]:
    """Return the alarm's state after each of its periods, read from its definition."""
    [dimension] = alarm["Dimensions"]
    known = {"AlarmName", "AlarmDescription", "Namespace", "MetricName", "Dimensions", "Statistic", "Period"}
    known |= {"EvaluationPeriods", "Threshold", "ComparisonOperator", "TreatMissingData"}
    assert alarm.keys() == known
    assert dimension["Name"] == ("QueueName" if alarm["Namespace"] == "AWS/SQS" else "FunctionName")
    counted = metrics.values[alarm["Namespace"], alarm["MetricName"], dimension["Value"]]
    length, breaches, found = alarm["Period"] // 60, [], []
    for start in range(0, PERIODS * 5, length):
        points = [value for minute in range(start, start + length) for value in counted[minute]]
        if points:
            value = COMBINED[alarm["Statistic"]](points)
            breaches.append(COMPARED[alarm["ComparisonOperator"]](value, alarm["Threshold"]))
        else:
            breaches.append({"breaching": True, "notBreaching": False}[alarm["TreatMissingData"]])
        last = breaches[-alarm["EvaluationPeriods"] :]
        found.append("ALARM" if len(last) == alarm["EvaluationPeriods"] and all(last) else "OK")
    return found


def hour(fault: str = "") -> Metrics:
    """Play an hour of a stage, in which one thing is wrong from minute 20 to 40."""
    made = Metrics()
    for minute in range(PERIODS * 5):
        wrong = BEGINS * 5 <= minute < ENDS * 5
        if not (wrong and fault == "the rule of tick is disabled"):
            made.called(minute, "sauron-prod-tick", failed=wrong and fault == "the store is away")
        made.called(minute, "sauron-prod-upkeep", failed=wrong and fault == "upkeep fails")
        made.called(minute, "sauron-prod-sync")
        if minute % 7 == 0:
            made.called(minute, "sauron-prod-work", failed=True)  # a failed run is no failed call; this is
        if wrong and fault == "the account is full":
            made.called(minute, "sauron-prod-work", throttled=True)
        given_up = wrong and fault == "work crashes" and minute % 5 == 2
        stuck = wrong and fault == "work crashes and upkeep is gone"
        made.queue(minute, "sauron-prod-runs", received=3, left=2)
        made.queue(minute, "sauron-prod-runs-dead", received=int(given_up), left=4 if stuck else 0)
    return made


FAULTS = {
    "the rule of tick is disabled": "sauron-prod-tick-stopped",
    "the store is away": "sauron-prod-tick-errors",
    "upkeep fails": "sauron-prod-upkeep-errors",
    "the account is full": "sauron-prod-work-throttles",
    "work crashes": "sauron-prod-dead-letters",
    "work crashes and upkeep is gone": "sauron-prod-dead-letters-left",
}


def test_a_quiet_hour_alarms_nobody() -> None:
    quiet = hour()
    assert {name: set(states(one, quiet)) for name, one in ALARMS.items()} == {
        name: {"OK"} for name in ALARMS
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_raises_its_own_alarm_within_five_minutes_and_its_end_clears_it(fault: str) -> None:
    metrics = hour(fault)
    raised = ["OK"] * BEGINS + ["ALARM"] * (ENDS - BEGINS) + ["OK"] * (PERIODS - ENDS)
    for name, one in ALARMS.items():
        assert states(one, metrics) == (raised if name == FAULTS[fault] else ["OK"] * PERIODS), name


def test_no_alarm_is_left_that_no_fault_raises() -> None:
    assert ALARMS.keys() == set(FAULTS.values())
