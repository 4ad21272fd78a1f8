"""A sandbox that refuses chosen calls: a seccomp filter for this process and all that it starts, for good."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

PRCTL = {"x86_64": 157, "aarch64": 167}
DIE_WITH_PARENT, ADOPT_ORPHANS = 1, 36  # options of prctl
_NO_NEW_PRIVILEGES, _SET_FILTER, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16
_REFUSE, _ALLOW = 0x00050000 | errno.EPERM, 0x7FFF0000


def refuse_process_control() -> None:
    """Refuse what Sauron asks of prctl to keep a job's processes together."""
    program = [
        (_LOAD, 0, 0, _NUMBER_AT),
        (_EQUAL, 0, 4, PRCTL[platform.machine()]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUAL, 1, 0, DIE_WITH_PARENT),
        (_EQUAL, 0, 1, ADOPT_ORPHANS),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value, more in ((_NO_NEW_PRIVILEGES, 1, None), (_SET_FILTER, _FILTER, header)):
        if libc.prctl(option, value, more, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
