"""A job's model is asked about params in a real process of its revision."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import BootError
from sauron_jobs_loader.launch import questions
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import ENVIRON, SHA, write_bundle

pytestmark = pytest.mark.process

MANIFEST = """
import os, signal, threading, time
import pydantic
from sauron_jobs_loader import JobConfig, job_registry

class P(pydantic.BaseModel):
    n: int = 3

    @pydantic.field_validator("n")
    @classmethod
    def small(cls, n):
        if n == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if n == 14:
            time.sleep(600)
        if n > 5:
            raise ValueError("at most 5")
        return n

job_registry.register(JobConfig(id="job", cron="@daily", func=lambda: None, params=P))
"""


@pytest.mark.parametrize("threaded", [False, True])
def test_a_model_is_asked_in_its_bundles_process(tmp_path: Path, threaded: bool) -> None:
    extra = "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n" if threaded else ""
    folder = write_bundle(tmp_path, MANIFEST + extra)
    with contextlib.closing(Launcher(grace=timedelta(seconds=0.4))) as launcher:

        def ask(**params: object) -> list[str]:
            return launcher.params_faults(SHA, folder, ENVIRON, python=None, job_id="job", params=params)

        assert bool(launcher.boot(SHA, folder, ENVIRON).left_behind) is threaded
        assert ask(n="4") == []
        assert ask(n=6) == ["n: Value error, at most 5"]
        assert ask(m=1) == ["params: there is no parameter 'm'. Known are n."]
        with pytest.raises(BootError, match="ended without a reply"):
            ask(n=13)
        assert ask() == []
        if not threaded:
            tree = launcher._zygotes[SHA]
            with pytest.raises(BootError, match="ended without a reply"):
                questions.params_faults(
                    tree, folder, job_id="job", params={"n": 14}, patience=timedelta(seconds=0.2)
                )
