"""Run one command and end it, with all its children, when whoever asked for it is gone.

It is executed as a script, in a process group of its own: its standard input is a pipe that the
asking process holds open. End of that pipe (closed at a time limit, or by the death of
the asker, `kill -9` included) ends the whole process group: TERM, a second, KILL.
Needs nothing but the standard library, and no `ps`.
"""

import os
import select
import signal
import sys

GRACE_MILLISECONDS = 1000
NOT_FOUND = 127


def main(command: list[str]) -> int:
    """Run `command` until it or our standard input ends; return its exit code, shell fashion."""
    # meant for the group; a handler is not inherited, unlike SIG_IGN
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        child = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        return NOT_FOUND
    ended = os.pidfd_open(child)
    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    waiting.register(ended, select.POLLIN)
    if ended not in {descriptor for descriptor, _ in waiting.poll()}:
        os.killpg(0, signal.SIGTERM)
        waiting.unregister(0)
        waiting.poll(GRACE_MILLISECONDS)
        os.killpg(0, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
