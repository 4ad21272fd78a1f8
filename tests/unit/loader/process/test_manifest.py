"""The small parts of the loader: frames, process trees, results, and the refusals of a context."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import pytest

from sauron_jobs_loader import channel
from sauron_jobs_loader.errors import BootError
from sauron_jobs_loader.process import manifest, result, tree


def test_messages_arrive_whole_in_whatever_pieces() -> None:
    data = channel.encode({"a": 1}) + channel.encode({"b": "x" * 1000})
    reader = channel.FrameReader()
    got = [message for index in range(len(data)) for message in reader.feed(data[index : index + 1])]
    assert got == [{"a": 1}, {"b": "x" * 1000}]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        struct.pack("!I", 4) + b"null",
        struct.pack("!I", 3) + b"{{{",
        struct.pack("!I", 100_000) + b"[" * 100_000,
    ],
)
def test_what_is_no_message_is_refused(garbage: bytes) -> None:
    with pytest.raises(channel.ChannelError):
        channel.FrameReader().feed(garbage)


def test_a_message_over_the_limit_is_refused_before_it_is_sent() -> None:
    with pytest.raises(channel.ChannelError, match="over the limit"):
        channel.encode({"x": "y" * 100}, limit=50)


def test_descriptors_travel_with_a_message_and_are_closed_by_an_exec() -> None:
    left, right = socket.socketpair()
    reader, writer = os.pipe()
    with left, right:
        channel.send(left, {"big": "x" * 100_000}, [writer])
        received = channel.receive(right)
        assert received is not None
        message, (descriptor,) = received
        assert len(message["big"]) == 100_000
        assert not os.get_inheritable(descriptor)
        os.write(descriptor, b"through")
        assert os.read(reader, 100) == b"through"
        left.close()
        assert channel.receive(right) is None
    for number in (reader, writer, descriptor):
        os.close(number)


@pytest.mark.process
def test_all_descendants_of_a_process_are_found() -> None:
    script = "import subprocess, sys; subprocess.run(['sh', '-c', 'read line; true'], start_new_session=True)"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as child:
        while not (
            found := [process for process in tree.descendants(child.pid) if process.session == process.pid]
        ):
            assert child.poll() is None
        assert found[0].alive
        assert child.pid in {process.pid for process in tree.descendants(os.getpid())}
    assert tree.look_at(child.pid) is None


class Colour(Enum):
    RED = "red"


class Status(StrEnum):
    FAILED = "failed"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"status": Status.FAILED, "colour": Colour.RED}, {"status": "failed", "colour": "red"}),
        (datetime(2026, 3, 2, tzinfo=UTC), "2026-03-02T00:00:00+00:00"),
        ([date(2026, 3, 2), True, 2, 2.5, None], ["2026-03-02", True, 2, 2.5, None]),
        (range(3), {"__repr__": "range(0, 3)"}),
        (int, {"__repr__": "<class 'int'>"}),
    ],
)
def test_a_result_holds_what_json_can(value: Any, kept: Any) -> None:
    assert result.succeeded(value) == {"ok": True, "value": kept}


def test_a_result_that_holds_itself_ends() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert json.dumps(result.succeeded(loop))


def test_an_integer_too_long_to_write_is_marked() -> None:
    assert "__repr__" in json.dumps(result.succeeded(10**5000))


def test_a_failure_whose_message_cannot_be_made_is_told_by_its_name() -> None:
    class Odd(Exception):  # noqa: N818 - a job may name its exceptions as it likes
        def __str__(self) -> str:
            raise RuntimeError

    assert result.failed(Odd())["error"] == "Odd"


def test_outside_a_bundle_there_is_no_metadata() -> None:
    assert manifest.loaded() is None
    assert manifest.metadata("job") is None


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BootError, match=r"no manifest\.py"):
        manifest.load(str(tmp_path), "sha")
