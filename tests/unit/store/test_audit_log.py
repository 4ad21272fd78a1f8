from __future__ import annotations

from typing import Any

from sqlalchemy import event

from chalicelib.model.acts import Door, Outcome
from chalicelib.store import Store, audit_log
from tests.conftest import ManualClock


def test_the_acts_on_one_subject_are_read_by_index_the_newest_first(store: Store, clock: ManualClock) -> None:
    asked: list[tuple[str, Any]] = []
    with store.write() as tx:
        for number in range(12):
            audit_log.add(
                tx,
                at=clock.now(),
                who="ann",
                door=Door.PAGE,
                act="trigger",
                subject=f"job-{number % 3}",
                reason=str(number),
                outcome=Outcome.DONE,
            )
    with store.read() as tx:

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
            asked.append((statement, parameters))

        event.listen(tx, "before_cursor_execute", note)
        found = audit_log.entries(tx, subject="job-1", limit=3)
        assert [one.reason for one in found] == ["10", "7", "4"]
        statement, parameters = asked[-1]
        plan = " ".join(str(row) for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
    assert "ix_audit_log_subject" in plan
    assert "SORT" not in plan.upper()
    assert "B-TREE" not in plan.upper()
