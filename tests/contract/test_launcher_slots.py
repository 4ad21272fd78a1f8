"""A supervisor serves one attempt after another, and what one left behind never meets the next."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import SHA, Runs, Told, alive, eventually, write_job

PARENT = "def run():\n    return os.getppid()\n"


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with contextlib.closing(Launcher(grace=timedelta(seconds=3))) as launcher:
        yield Runs(launcher, tmp_path / "bundle", spawn=False)


def value(told: Told) -> object:
    assert told.verdict.outcome == "succeeded", told
    return told.verdict.result


def test_attempts_one_after_another_have_one_supervisor_and_each_its_own_process(runs: Runs) -> None:
    write_job(runs.folder, "def run():\n    return [os.getppid(), os.getpid(), os.getsid(0)]")
    found = [runs.run().verdict.result for _ in range(4)]
    assert len({parent for parent, _, _ in found}) == 1
    assert len({pid for _, pid, _ in found}) == 4
    assert all(pid == session for _, pid, session in found)


def test_attempts_at_the_same_time_have_a_supervisor_each(runs: Runs) -> None:
    write_job(
        runs.folder,
        "def run():\n    print(os.getppid(), flush=True)\n    sys.stdin.read()\n    time.sleep(600)",
    )
    attempts = [runs.start() for _ in range(3)]
    parents = set()
    for attempt in attempts:
        told = runs.watch(attempt, on_output=lambda _data, attempt=attempt: attempt.stop("enough"))  # type: ignore[misc]
        assert told.verdict.outcome == "cancelled"
        parents.add(attempt._supervisor)
    assert len(parents) == 3


def test_a_supervisor_ends_after_so_many_attempts_and_another_goes_on(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_job(
        runs.folder,
        "import sauron_jobs_loader.process.supervisor as s\ns.supervise.__kwdefaults__['attempts'] = 3\n"
        + PARENT,
    )
    parents = [value(runs.run()) for _ in range(7)]
    assert [parents.index(one) for one in parents] == [0, 0, 0, 3, 3, 3, 6]
    eventually(lambda: not alive(int(str(parents[0]))))


def test_a_daemon_of_one_attempt_ends_with_it_and_is_not_counted_against_the_next(
    runs: Runs, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    body = f"""
        def run():
            if not os.path.exists({str(file)!r}):
                child = subprocess.Popen(["sleep", "600"], start_new_session=True)
                open({str(file)!r}, "w").write(str(child.pid))
            return os.getppid()
        """
    write_job(runs.folder, body)
    first, second = runs.run(), runs.run()
    assert (first.facts.leftovers, second.facts.leftovers) == (1, 0)
    assert value(first) == value(second)
    assert not alive(int(file.read_text()))


def test_the_processes_of_two_attempts_hold_the_same_descriptors(runs: Runs) -> None:
    write_job(runs.folder, "def run():\n    return sorted(os.listdir('/proc/self/fd'))")
    assert value(runs.run()) == value(runs.run()) == value(runs.run())


def test_a_supervisor_that_is_killed_while_it_is_free_costs_no_attempt(runs: Runs) -> None:
    write_job(runs.folder, PARENT)
    before = int(str(value(runs.run())))
    os.kill(before, signal.SIGKILL)
    eventually(lambda: not alive(before))
    assert value(runs.run()) != before


def test_a_job_that_kills_its_supervisor_is_lost_alone(runs: Runs) -> None:
    write_job(runs.folder, "def run():\n    os.kill(os.getppid(), 9)\n    time.sleep(600)")
    told = runs.run()
    assert (told.verdict.outcome, told.verdict.error) == ("failed", "its supervisor was killed")
    told = runs.run()
    assert told.verdict.error == "its supervisor was killed"


def test_an_order_that_comes_after_the_end_does_not_stop_the_next_attempt(runs: Runs) -> None:
    write_job(runs.folder, PARENT)
    first = runs.start()
    before = runs.watch(first)
    first.stop("too late")
    assert value(runs.run()) == value(before)


@pytest.mark.parametrize("order", [{"order": "linger", "seconds": 0.0}, {"order": "stop", "grace": 0.0}])
def test_an_order_that_the_end_crosses_on_its_way_does_not_reach_the_next_attempt(
    runs: Runs, order: dict[str, object]
) -> None:
    write_job(runs.folder, "def run():\n    print('last words', flush=True)\n    return os.getppid()")
    first = runs.start()
    children = Path(f"/proc/{first._supervisor}/task/{first._supervisor}/children")

    def when_the_next_is_ready(_data: bytes) -> None:
        eventually(lambda: children.read_text().split() not in ([], [str(first.pid)]))
        first._order(order)

    before = runs.watch(first, on_output=when_the_next_is_ready)
    assert value(runs.run()) == value(before) == first._supervisor


def test_free_supervisors_of_a_revision_end_when_it_is_let_go(runs: Runs) -> None:
    write_job(runs.folder, PARENT)
    parent = int(str(value(runs.run())))
    assert alive(parent)
    runs.launcher.retire(keep=())
    eventually(lambda: not alive(parent))


def test_nothing_of_what_one_attempt_was_told_is_in_the_memory_of_the_next(runs: Runs) -> None:
    body = """
        def run():
            mark = bytes.fromhex("5345435245543432")  # as it is nowhere else in this file
            found = []
            for line in open("/proc/self/maps"):
                place, rights, *rest = line.split()
                if rights.startswith("rw") and "stack" not in line:
                    low, high = (int(end, 16) for end in place.split("-"))
                    with open("/proc/self/mem", "rb") as memory:
                        memory.seek(low)
                        if memory.read(high - low).count(mark) > 1:
                            found.append(line)
            return [os.getppid(), len(found)]
        """
    write_job(runs.folder, body)
    first = value(runs.run(secrets={"PASSWORD": "SECRET42" * 40}, params={"x": "SECRET42" * 40}))
    second = value(runs.run())
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert first[0] == second[0]
    assert first[1] > 0
    assert second[1] == 0


def test_a_request_larger_than_a_socket_takes_arrives_whole(runs: Runs) -> None:
    write_job(runs.folder, "def run(context):\n    return len(context.params['text'])")
    assert value(runs.run(params={"text": "x" * 5_000_000})) == 5_000_000


def test_a_process_that_is_killed_while_it_waits_is_replaced_and_costs_no_attempt(runs: Runs) -> None:
    write_job(runs.folder, PARENT)
    parent = int(str(value(runs.run())))
    children = Path(f"/proc/{parent}/task/{parent}/children")
    eventually(lambda: children.read_text() != "")
    waiting = children.read_text().split()
    os.kill(int(waiting[0]), signal.SIGKILL)
    eventually(lambda: children.read_text().split() not in ([], waiting))
    told = runs.run()
    assert value(told) == parent
    assert told.facts.leftovers == 0


def test_what_is_prepared_serves_the_next_attempts(runs: Runs) -> None:
    write_job(runs.folder, "def run():\n    print('up', flush=True)\n    time.sleep(600)")
    runs.watch(first := runs.start(), on_output=lambda _data: first.stop("enough"))
    runs.launcher.prepare(SHA, 3)
    (zygote,) = runs.launcher._zygotes.values()
    eventually(lambda: len(zygote._free) == 3)
    attempts = [runs.start() for _ in range(3)]
    assert zygote._free == []
    for attempt in attempts:
        attempt.stop("enough")
        assert runs.watch(attempt).verdict.outcome == "cancelled"


def test_supervisors_that_were_free_for_long_end_but_one(runs: Runs) -> None:
    write_job(runs.folder, PARENT)
    runs.run()
    runs.launcher.prepare(SHA, 4)
    (zygote,) = runs.launcher._zygotes.values()
    runs.launcher.rest(timedelta(hours=1))
    assert len(zygote._free) == 4
    runs.launcher.rest(timedelta(0))
    assert len(zygote._free) == 1
    assert value(runs.run())


def test_of_what_was_prepared_for_a_burst_as_many_stay_as_run_at_once(tmp_path: Path) -> None:
    with contextlib.closing(Launcher(at_once=2)) as launcher:
        runs = Runs(launcher, tmp_path / "bundle", spawn=False)
        write_job(runs.folder, PARENT)
        first = value(runs.run())
        launcher.prepare(SHA, 5)
        parents = [first, *(value(runs.run()) for _ in range(3))]
        (zygote,) = launcher._zygotes.values()
        assert len(set(parents)) == 3  # the first one once more, and two that were new
        assert zygote.free == 2
        eventually(lambda: not any(alive(int(str(parent))) for parent in parents))
        assert {value(runs.run()) for _ in range(4)}.isdisjoint(parents)
        assert zygote.free == 2


def test_a_process_that_was_refused_ahead_of_need_costs_no_attempt(runs: Runs, tmp_path: Path) -> None:
    full = tmp_path / "full"
    refuse = f"""
        fork = os.fork
        def fork_or_not():
            if os.path.exists({str(full)!r}):
                raise BlockingIOError(11, "Resource temporarily unavailable")
            return fork()
        os.fork = fork_or_not
        """
    write_job(runs.folder, dedent(refuse) + PARENT)
    parent = value(runs.run())
    os.kill(int(str(parent)), signal.SIGKILL)
    full.touch()
    runs.launcher.prepare(SHA, 3)
    (zygote,) = runs.launcher._zygotes.values()
    eventually(lambda: all(select.select([one], [], [], 0)[0] for one, _since in zygote._free))
    full.unlink()
    assert value(runs.run()) != parent
