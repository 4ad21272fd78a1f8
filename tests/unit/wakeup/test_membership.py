from __future__ import annotations

import fcntl
from pathlib import Path

from chalicelib.store import Store, outbox, runners
from chalicelib.wakeup.membership import Membership
from chalicelib.wakeup.peers import Peers
from chalicelib.wakeup.waker import Waker
from tests.conftest import ManualClock


def shown(store: Store) -> list[tuple[str, str | None]]:
    with store.read() as tx:
        return [(one.name, one.revision) for one in runners.all_runners(tx)]


def member(store: Store, clock: ManualClock, folder: Path, name: str) -> Membership:
    return Membership(store, clock, Peers(folder), Waker([]), name=name)


def test_a_runner_is_shown_from_joining_to_leaving_with_the_revision_it_has_loaded(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    one = member(store, clock, tmp_path / "runners", "one")
    one.preloaded("b" * 40)  # before it joined: nothing is shown yet
    assert (shown(store), one.started_at) == ([], None)
    one.join()
    assert shown(store) == [("one", "b" * 40)]
    assert one.started_at == clock.now()
    one.preloaded("c" * 40)
    clock.move(minutes=1)
    one.seen()
    assert shown(store) == [("one", "c" * 40)]
    with store.read() as tx:
        (row,) = runners.all_runners(tx)
        assert (row.started_at, row.seen_at) == (one.started_at, clock.now())
        assert [entry.kind for entry in outbox.waiting(tx, 10)] == [outbox.RowKind.JOBS]
    one.leave()
    assert shown(store) == []


def test_a_runner_learns_that_it_is_drained_and_the_others_are_not(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    one = member(store, clock, tmp_path / "runners", "one")
    two = member(store, clock, tmp_path / "runners", "two")
    one.join()
    two.join()
    with store.write() as tx:
        assert runners.drain(tx, "one", draining=True)
    assert (one.draining(), two.draining()) == (True, False)
    one.seen()
    assert one.draining()
    one.leave()
    two.leave()


def test_a_dead_runner_is_forgotten_when_it_holds_no_lease_any_more(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    folder = tmp_path / "runners"
    one, two = member(store, clock, folder, "one"), member(store, clock, folder, "two")
    for runner in (one, two):
        runner.join()
    lock = Peers(folder)
    lost = Membership(store, clock, lock, Waker([]), name="lost")
    lost.join()
    assert sorted(name for name, _ in shown(store)) == ["lost", "one", "two"]
    die(lock)
    one.forget(frozenset({"lost"}))
    assert sorted(name for name, _ in shown(store)) == ["lost", "one", "two"]
    one.forget(frozenset())
    assert sorted(name for name, _ in shown(store)) == ["one", "two"]
    for peers in (one, two):
        peers.leave()
    lock.leave()


def die(peers: Peers) -> None:
    """Let a lock go as the operating system does, without removing the files."""
    assert peers.lock_descriptor is not None
    fcntl.flock(peers.lock_descriptor, fcntl.LOCK_UN)
