from __future__ import annotations

from pathlib import Path

import pytest

from sauron_jobs_loader.process import oom_score


@pytest.mark.parametrize(
    ("inherited", "raised"), [(-998, 800), (0, 800), (400, 800), (900, 1000), (1000, 1000)]
)
def test_a_job_is_killed_before_what_started_it_whatever_score_that_has(
    tmp_path: Path, inherited: int, raised: int
) -> None:
    file = tmp_path / "oom_score_adj"
    file.write_bytes(b"%d\n" % inherited)
    oom_score.raise_to(oom_score.JOB, file=str(file))
    assert int(file.read_bytes().split()[-1]) == raised


def test_where_the_score_cannot_be_written_nothing_happens(tmp_path: Path) -> None:
    oom_score.raise_to(oom_score.JOB, file=str(tmp_path / "nowhere"))
    file = tmp_path / "oom_score_adj"
    file.write_text("no number")
    oom_score.raise_to(oom_score.JOB, file=str(file))
    assert file.read_text() == "no number"
