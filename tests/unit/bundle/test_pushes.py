from __future__ import annotations

import threading

import pytest

from chalicelib.bundle.pushes import SyncsInBackground
from chalicelib.errors import BundleError


def test_pushes_during_a_sync_lead_to_one_more_after_it() -> None:
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)
    running: list[str] = []

    def sync() -> None:
        running.append(threading.current_thread().name)
        begun.release()
        assert go_on.acquire(timeout=30)

    syncs = SyncsInBackground(sync)
    syncs.ask()  # it returns although the sync has not ended
    assert begun.acquire(timeout=30)
    for _ in range(5):
        syncs.ask()
    assert len(running) == 1
    go_on.release()
    assert begun.acquire(timeout=30)
    go_on.release()
    for thread in threading.enumerate():
        if thread.name == "pushed-sync":
            thread.join(timeout=30)
    assert running == ["pushed-sync"] * 2
    syncs.ask()
    assert begun.acquire(timeout=30)
    go_on.release()


def test_a_sync_that_breaks_off_keeps_no_later_one_away() -> None:
    done = threading.Semaphore(0)

    def sync() -> None:
        done.release()
        raise RuntimeError("the store is away")

    syncs = SyncsInBackground(sync)
    for _ in range(2):
        syncs.ask()
        assert done.acquire(timeout=30)


def test_where_no_thread_is_to_be_had_the_push_says_so_and_the_next_one_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = threading.Semaphore(0)
    syncs = SyncsInBackground(done.release)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(BundleError, match="can't start new thread"):
            syncs.ask()
    syncs.ask()
    assert done.acquire(timeout=30)
