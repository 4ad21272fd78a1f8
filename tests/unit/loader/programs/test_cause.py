"""A program that cannot be started is explained by what its file is."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sauron_jobs_loader.programs.binary import binary_fault
from sauron_jobs_loader.programs.cause import cause

PATH = "/usr/bin:/bin"


def written(folder: Path, content: bytes, mode: int = 0o755, name: str = "bin/go.sh") -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    (folder / name).chmod(mode)
    return name


@pytest.mark.parametrize(
    ("content", "text", "cure"),
    [
        (b"#!/bin/bash\r\necho hi\r\n", "has Windows line ends", "bin/go.sh text eol=lf"),
        (b"#!/usr/bin/env python3\r\nprint()\r\n", "has Windows line ends", "Unix line ends"),
        (b"#!/bin/no-ksh\n", "asks for /bin/no-ksh, which is not installed", "install no-ksh"),
        (b"#!/usr/local/none/sh\n", "asks for /usr/local/none/sh, which", "write `#!/usr/bin/env sh`"),
        (b"#!/usr/bin/env no-node\n", "asks for no-node, which is not installed", "install no-node"),
        (b"#!/usr/bin/env -S A=b no-node -x\n", "asks for no-node, which is", "install no-node"),
        (
            b"#!/usr/bin/env sh -e\n",
            "asks `env` for a program named 'sh -e'",
            "write `#!/usr/bin/env -S sh -e`",
        ),
        (b"#!/usr/bin/env\n", "asks for `env` and names no program", "#!/usr/bin/env bash"),
        (b"#!/etc\n", "asks for /etc, which is not a program", "here"),
        (b"#! \necho\n", "has a first line that names no program", "#!/usr/bin/env sh"),
        (b"#!/" + b"x" * 300 + b"\n", "has a first line of more than 255 bytes", "shorten"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "begins with a byte order mark", "UTF-8 without"),
        (b"\xff\xfe#\0!\0", "is saved as UTF-16", "UTF-8"),
        (b"\n#!/bin/sh\n", "has its `#!` line not at the very beginning", "remove what is before"),
        (b"echo hi\n", "has no `#!` line", "or command=['sh', 'bin/go.sh']"),
        (b"", "is empty", "commit its content"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer", "commit the file"),
        (b"MZ\x90\0", "is a program for Windows", "put a build for Linux on"),
        (b"\xcf\xfa\xed\xfe\x07", "is a program for macOS", "put a build for Linux on"),
        (b"PK\3\4\0\0", "is not a program that this system knows", "name the program that reads it"),
    ],
)
def test_a_file_that_the_system_cannot_start_is_told_by_what_it_is(
    content: bytes, text: str, cure: str, tmp_path: Path
) -> None:
    fault = cause(written(tmp_path, content), folder=str(tmp_path), path=PATH)
    assert fault is not None
    assert fault.text.startswith(text)
    assert cure in fault.cure
    assert fault.file == str(tmp_path / "bin/go.sh")


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\necho\n",
        b"#! /bin/sh -e\n",
        b"#!/usr/bin/env sh\n",
        b"#!/usr/bin/env -S sh -e\n",
        b"#!/usr/bin/env -S PATH=/opt no-node\n",
        b"#!bin/runner\n",
        b"\x7fELF",
    ],
)
def test_a_file_that_can_be_started_has_no_fault(content: bytes, tmp_path: Path) -> None:
    written(tmp_path, b"\x7fELF", name="bin/runner")
    assert cause(written(tmp_path, content), folder=str(tmp_path), path=PATH) is None
    assert cause("sh", folder=str(tmp_path), path=PATH) is None
    assert cause("/bin/sh", folder=str(tmp_path), path=PATH) is None


@pytest.mark.parametrize(
    ("content", "instead"),
    [
        (b"#!/bin/bash\n", ", or write command=['bash', 'bin/go.sh']"),
        (b"#!/usr/bin/env python3\n", ", or write command=['python3', 'bin/go.sh']"),
        (b"echo\n", ", or write command=['sh', 'bin/go.sh']"),
    ],
)
def test_a_file_that_is_not_executable_is_told_with_the_git_command(
    content: bytes, instead: str, tmp_path: Path
) -> None:
    name = written(tmp_path, content, 0o644)
    for program in (name, f"./{name}", str(tmp_path / name)):
        fault = cause(program, folder=str(tmp_path), path=PATH)
        assert fault is not None
        assert fault[:2] == (
            "is not executable in git",
            f"run `git update-index --chmod=+x bin/go.sh` and commit{instead}",
        )


def test_a_program_outside_of_the_bundle_is_not_one_of_git(tmp_path: Path) -> None:
    written(tmp_path, b"\x7fELF", 0o644, "tool")
    fault = cause(str(tmp_path / "tool"), folder=str(tmp_path / "bundle"), path=PATH)
    assert fault is not None
    assert fault[:2] == ("is not executable", f"run `chmod +x {tmp_path}/tool`")


@pytest.mark.parametrize(
    ("program", "text", "cure"),
    [
        ("bin/Go.sh", "does not exist in the bundle", "write 'bin/go.sh', which is there"),
        ("bin/gone.py", "does not exist in the bundle", "commit it, or write its path from the top"),
        ("bin/go.sh/x", "does not exist in the bundle", "commit it"),
        ("/opt/none/x", "does not exist", "install the program, or write where it is"),
        ("bin/link", "is a link to nowhere, which does not exist", "commit the file itself"),
        ("./bin", "is a folder", "name the program in it"),
        ("go.sh", "is a file of the bundle, and those are found by a path only", "write 'bin/go.sh'"),
        ("no-program", "is not a program on PATH", "install the program"),
    ],
)
def test_a_program_that_is_not_there_is_told_with_what_is(
    program: str, text: str, cure: str, tmp_path: Path
) -> None:
    written(tmp_path, b"#!/bin/sh\n")
    (tmp_path / "bin/link").symlink_to("nowhere")
    fault = cause(program, folder=str(tmp_path), path=PATH)
    assert fault is not None
    assert fault.text == text
    assert fault.cure.startswith(cure)


def test_the_first_program_on_path_that_is_executable_counts(tmp_path: Path) -> None:
    written(tmp_path, b"#!/bin/sh\n", 0o644, "first/tool")
    alone = cause("tool", folder=str(tmp_path / "bundle"), path=f"{tmp_path}/first")
    assert alone is not None
    assert alone.text == "is not executable"
    written(tmp_path, b"#!/bin/sh\n", 0o755, "second/tool")
    assert cause("tool", folder=str(tmp_path / "bundle"), path=f"{tmp_path}/first:{tmp_path}/second") is None


def elf(machine: int, loader: bytes = b"") -> bytes:
    header = (
        b"\x7fELF\2\1\1"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    program = struct.pack("<IIQQQQQQ", 3 if loader else 1, 4, 120, 0, 0, len(loader), len(loader), 1)
    return header + program + loader


@pytest.mark.parametrize(
    ("head", "machine", "text"),
    [
        (elf(183), "x86_64", "is a program for aarch64, and this machine is x86_64"),
        (elf(62), "arm64", "is a program for x86_64, and this machine is aarch64"),
        (
            elf(62, b"/lib/ld-none.so.1\0"),
            "x86_64",
            "is built for another Linux: it asks for /lib/ld-none.so.1",
        ),
        (elf(62), "x86_64", None),
        (elf(3), "x86_64", None),
    ],
)
def test_a_binary_of_another_system_is_told_by_name(head: bytes, machine: str, text: str | None) -> None:
    fault = binary_fault(head, machine)
    assert (fault is None) if text is None else (fault is not None and fault.text.startswith(text))
