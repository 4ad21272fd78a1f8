"""In which order, and in which portions, the processes that run the tests are given them."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# What shares an expensive set-up, or loads the machine, is run by one process, one test after another.
GROUPS = {
    "parity": "parity",
    "faults": "faults",
    "browser": "browser",
    "contract/test_aws_up.py": "aws",
    "unit/container/aws/test_packaging.py": "parity",  # the same zip
}


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out each group of `GROUPS` as a whole, unit tests file by file, and all others one by one.

    The order is that of the tests, and not that of how many each portion has.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return _group(nodeid) or (file if file.startswith("tests/unit/") else nodeid)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Note the end of a test, and drop a unit that has ended: all that is kept is counted each time."""
        scope = self._split_scope(self.registered_collections[node][item_index])
        super().mark_test_complete(node, item_index, duration)
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


class LongestFirst:
    """Lets several processes begin with what takes long, so that none is left alone with it in the end."""

    @pytest.hookimpl(trylast=True)  # after pytest has brought together what shares a fixture
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put groups first, each in its own order, then files of tests that take long, then what is short."""
        grouped = {item.path for item in items if _group(item.nodeid)}
        long = {item.path for item in items if item.get_closest_marker("slow")} | grouped
        items.sort(key=lambda one: (one.path not in grouped, one.path not in long, "unit" in one.path.parts))


def _group(nodeid: str) -> str | None:
    """Return the group that a test belongs to."""
    place = nodeid.partition("::")[0].removeprefix("tests/")
    return GROUPS.get(place.partition("/")[0]) or GROUPS.get(place)
