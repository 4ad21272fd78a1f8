from __future__ import annotations

import re

from chalicelib.web.charts import Chart
from chalicelib.web.usage_charts import HEIGHT, of_memory, of_processors


def heights(chart: Chart, kind: str) -> list[float]:
    [path] = [one.d for one in chart.paths if one.kind == kind]
    return [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", path.replace("H", " "))]


def test_more_is_higher_and_no_point_leaves_the_chart() -> None:
    for points in ([(10.0, 5.0)], [(10.0, 0.0), (20.0, 3000.0), (30.0, 1500.0)], [(0.5, 0.0)]):
        for narrow in (False, True):
            for chart in (of_memory(points, None, narrow=narrow), of_processors(points, narrow=narrow)):
                found = heights(chart, "line")
                assert len(found) == len(points)
                assert all(0 <= y <= chart.height for y in found)
                order = sorted(range(len(points)), key=lambda at: points[at][1])
                assert sorted(range(len(points)), key=lambda at: -found[at]) == order


def test_a_limit_is_drawn_where_it_says_something_of_what_is_used() -> None:
    near = of_memory([(10, 100), (20, 200)], 256)
    [limit] = [one for one in near.labels if one.kind == "left bad"]
    assert limit.text == "limit 256 MB"
    assert heights(near, "limit")[0] < min(heights(near, "line"))
    far = of_memory([(10, 100), (20, 200)], 4096)
    assert [one.kind for one in far.paths] == ["axis", "line"]


def test_a_processor_that_is_idle_is_a_flat_line_below_the_share_of_one() -> None:
    idle = of_processors([(10, 1), (20, 2)])
    assert all(y > HEIGHT * 0.9 for y in heights(idle, "line"))
    assert "100 %" in [one.text for one in idle.labels]
