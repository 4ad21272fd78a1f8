from __future__ import annotations

import pytest

from chalicelib.execution.log_buffer import CHUNK, AttemptLog
from chalicelib.store import Store, log_chunks
from tests.conftest import ManualClock


def stored(store: Store) -> str:
    with store.read() as tx:
        return "".join(chunk.text for chunk in log_chunks.read(tx, "r"))


def flush(store: Store, clock: ManualClock, log: AttemptLog, *, last: bool = False) -> None:
    if last:
        log.close()
    with store.write() as tx:
        log.flush(tx, now=clock.now())
    log.settled()


def test_what_was_written_is_read_back_in_order(store: Store, clock: ManualClock) -> None:
    log = AttemptLog("r", 1)
    log.write(b"one\n")
    flush(store, clock, log)
    log.write(b"two\n")
    flush(store, clock, log, last=True)
    assert stored(store) == "one\ntwo\n"
    assert not log.dirty


def test_a_character_split_over_two_writes_is_whole(store: Store, clock: ManualClock) -> None:
    log = AttemptLog("r", 1)
    log.write("é".encode()[:1])
    flush(store, clock, log)
    log.write("é".encode()[1:] + b"\x00\xff\xc3")
    flush(store, clock, log, last=True)
    assert stored(store) == "é���"


def test_a_long_output_keeps_head_and_tail_and_says_what_is_missing(store: Store, clock: ManualClock) -> None:
    log = AttemptLog("r", 1, head=100, tail=100)
    for number in range(1000):
        log.write(b"%03d\n" % number)
        if number % 7 == 0:
            flush(store, clock, log)
    flush(store, clock, log, last=True)
    text = stored(store)
    assert text.startswith("".join(f"{n:03d}\n" for n in range(25)))
    assert text.endswith("".join(f"{n:03d}\n" for n in range(975, 1000)))
    missing = int(text.split("[... ")[1].split(" ")[0])
    marker = f"\n[... {missing} characters left out ...]\n"
    assert missing + len(text) - len(marker) == 4000
    assert len(text) < 400


def test_one_huge_write_between_flushes_stays_bounded_in_memory(store: Store, clock: ManualClock) -> None:
    log = AttemptLog("r", 1, head=1000, tail=1000)
    for _ in range(100):
        log.write(b"x" * 1_000_000)
    assert sum(map(len, (*log._pending, *log._ring))) == 2000
    flush(store, clock, log, last=True)
    assert "[... 99998000 characters left out ...]" in stored(store)


def test_chunks_are_at_most_64_kib(store: Store, clock: ManualClock) -> None:
    log = AttemptLog("r", 1)
    log.write(b"y" * 300_000)
    flush(store, clock, log, last=True)
    with store.read() as tx:
        chunks = log_chunks.read(tx, "r")
    assert max(len(chunk.text) for chunk in chunks) <= CHUNK
    assert sum(len(chunk.text) for chunk in chunks) == 300_000


def test_a_tail_asks_for_what_came_after(store: Store, clock: ManualClock) -> None:
    log = AttemptLog("r", 1)
    log.write(b"one\n")
    flush(store, clock, log)
    with store.read() as tx:
        seen = log_chunks.read(tx, "r")[-1].id
    log.write(b"two\n")
    flush(store, clock, log)
    with store.read() as tx:
        assert [chunk.text for chunk in log_chunks.read(tx, "r", after=seen)] == ["two\n"]


def test_what_a_failed_transaction_took_is_written_by_the_next_one(store: Store, clock: ManualClock) -> None:
    log = AttemptLog("r", 1, head=10, tail=100)
    for number in range(60):
        log.write(b"%03d\n" % number)
        if number % 10 == 5:
            flush(store, clock, log)
        if number % 10 == 8:
            with pytest.raises(ZeroDivisionError), store.write() as tx:  # noqa: PT012 - what raises is the block
                log.flush(tx, now=clock.now())
                raise ZeroDivisionError
            assert log.dirty
    flush(store, clock, log, last=True)
    text = stored(store)
    assert text.startswith("000\n001\n00")
    assert text.endswith("".join(f"{n:03d}\n" for n in range(35, 60)))
    missing = int(text.split("[... ")[1].split(" ")[0])
    assert missing + len(text) - len(f"\n[... {missing} characters left out ...]\n") == 240
