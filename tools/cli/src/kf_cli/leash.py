"""Runs one command that ends when its parent does: `python -I -S leash.py SIGNAL PARENT_PID COMMAND...`.

A script of its own instead of a preexec_fn: code between fork and exec can deadlock in a threaded process.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for the signal, then become the command; elsewhere than on Linux just become it."""
    signum, parent, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum)
        # It may have died before the kernel was told to watch.
        if os.getppid() != parent:
            raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
