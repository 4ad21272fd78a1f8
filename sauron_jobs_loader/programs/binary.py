"""What the first bytes of a file that is not text say: for which system and processor it was built."""
# this runs in the process that is forked, pathlib would cost it memory
# ruff: noqa: PTH110

from __future__ import annotations

import os
import struct

from .fault import Fault

_ELF = b"\x7fELF"
_MACHINES = {3: "i386", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_ALIKE = {"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64"}
_RUNS_TOO = {("x86_64", "i386"), ("aarch64", "arm")}
_OTHER_SYSTEMS = (
    (b"MZ", "Windows"),
    (b"\xcf\xfa\xed\xfe", "macOS"),
    (b"\xce\xfa\xed\xfe", "macOS"),
    (b"\xca\xfe\xba\xbe\x00\x00\x00\x02", "macOS"),
)
_HEADER = 64  # bytes of the header of a 64-bit file
_INTERPRETER = 3  # the type of the program header that names the loader of libraries
_CURE = "put a build for {} in its place"


def binary_fault(head: bytes, machine: str | None = None) -> Fault | None:
    """Return what is wrong with a program that begins with `head`, on a `machine` as uname names it."""
    machine = machine or os.uname().machine
    machine = _ALIKE.get(machine, machine)
    here = f"Linux on {machine}"
    for magic, system in _OTHER_SYSTEMS:
        if head.startswith(magic):
            return Fault(f"is a program for {system}", _CURE.format(here))
    if not head.startswith(_ELF) or len(head) < _HEADER:
        return None
    order = ">" if head[5] == 2 else "<"  # noqa: PLR2004 - the ELF header: 2 is big-endian
    (number,) = struct.unpack_from(f"{order}H", head, 18)
    built_for = _MACHINES.get(number)
    if built_for and built_for != machine and (machine, built_for) not in _RUNS_TOO:
        return Fault(f"is a program for {built_for}, and this machine is {machine}", _CURE.format(here))
    wanted = _library_loader(head, order) if head[4] == 2 else None  # noqa: PLR2004 - 2 is 64-bit
    if wanted and not os.path.exists(wanted):
        text = f"is built for another Linux: it asks for {wanted}, which is not installed"
        return Fault(text, "put a statically linked build in its place, or one for this system")
    return None


def _library_loader(head: bytes, order: str) -> str | None:
    (start,) = struct.unpack_from(f"{order}Q", head, 32)
    size, count = struct.unpack_from(f"{order}HH", head, 54)
    for number in range(count):
        place = start + number * size
        if place + 40 > len(head):
            return None
        (kind,) = struct.unpack_from(f"{order}I", head, place)
        if kind == _INTERPRETER:
            (offset,) = struct.unpack_from(f"{order}Q", head, place + 8)
            (length,) = struct.unpack_from(f"{order}Q", head, place + 32)
            return head[offset : offset + length].rstrip(b"\0").decode("utf-8", "replace") or None
    return None
