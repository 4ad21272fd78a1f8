"""A file that a setting names is read within seconds, or refused with a reason, whatever it is."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from chalicelib.sources import files
from sauron_jobs_loader.named_file import content_of
from sauron_jobs_loader.toolkit import known_hosts, ssh_key

SHORT = 0.05


def test_a_file_and_a_pipe_into_which_somebody_writes_are_read_whole(tmp_path: Path) -> None:
    file, pipe = tmp_path / "file", tmp_path / "pipe"
    text = b"NAME=value\n" * 20_000  # more than a pipe holds
    file.write_bytes(text)
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[text])
    writer.start()
    assert content_of(pipe) == content_of(file) == text
    writer.join()


def test_a_setting_may_come_from_a_pipe_as_password_managers_make_them(tmp_path: Path) -> None:
    pipe = tmp_path / ".env"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=["API_PORT=8081\n"])
    writer.start()
    assert files.env_file(pipe).values == {"API_PORT": "8081"}
    writer.join()


def test_what_cannot_be_read_is_refused_within_the_patience_by_each_reader(tmp_path: Path) -> None:
    pipe, listening = tmp_path / "pipe", tmp_path / "socket"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listening))
        for path, reason in (
            (pipe, "nothing writes into this pipe"),
            (Path("/dev/zero"), "larger than 1 MiB"),
            (listening, "No such device"),
            (tmp_path, "Is a directory"),
            (tmp_path / "none", "No such file"),
        ):
            with pytest.raises(OSError, match=reason):
                content_of(path, patience=SHORT)
            with pytest.raises(ValueError, match=f"TOKEN_FILE='{path}' cannot be read .*{reason}.*; name a"):
                files.secret("TOKEN", str(path), patience=SHORT)
            if path not in (tmp_path, tmp_path / "none"):
                (fault,) = files.env_file(path, patience=SHORT).faults
                assert str(path) in fault
                assert reason in fault
    for named, reason in (("/dev/zero", "larger than"), (str(tmp_path), "Is a directory")):
        with pytest.raises(known_hosts.HostKeyError, match=f"{named}, which cannot be read.*{reason}"):
            known_hosts.text_of(named)
        with pytest.raises(ssh_key.KeyFileError, match=f"{named}, which cannot be read.*{reason}"):
            ssh_key.private_key(named, {})
    assert files.env_file(Path(os.devnull)).values == {}
