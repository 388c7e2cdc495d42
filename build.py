#!/usr/bin/env python3
"""The command: `python3 build.py VERB`. Makes `.venv` from the pinned requirements once, then runs inside it.

Only the standard library up to there; the first lines must be readable to an old Python, which gets a sentence.
"""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120  # importing pathlib costs more than all of this
VENV = os.path.join(HERE, ".venv")  # noqa: PTH118
PYTHON = os.path.join(VENV, "bin", "python")  # noqa: PTH118


def bytes_of(folder: str) -> bytes:
    with open(os.path.join(folder, "requirements.txt"), "rb") as file:  # noqa: PTH118
        return file.read()


def is_complete() -> bool:
    """Whether `.venv` was made to its end from today's requirements: its marker, written last, is a copy of them."""
    try:
        same = bytes_of(HERE) == bytes_of(VENV)
    except OSError:
        return False
    return same and os.access(PYTHON, os.X_OK) and os.path.exists(os.path.join(VENV, "pyvenv.cfg"))  # noqa: PTH110, PTH118


def is_inside() -> bool:
    return os.path.realpath(sys.prefix) == os.path.realpath(VENV)


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036  # an old Python reads this file before it can be refused
        found = "%d.%d" % sys.version_info[:2]  # noqa: UP031  # the oldest have no f-strings
        sys.stderr.write("build.py needs Python 3.11 or newer; this is %s\n" % found)  # noqa: UP031
        sys.stderr.write("hint: run it with a newer one, for instance: python3.11 build.py\n")
        return 9
    if not is_complete():
        from builder.environment import prepare

        code = prepare(sys.argv[1:])
        if code != 0:
            return code
    elif is_inside():
        from builder.cli import main as command

        return command(sys.argv[1:])
    return enter()


def enter() -> int:
    """Become the command inside `.venv`, undisturbed by settings that were meant for another Python."""
    for name in ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__"):
        os.environ.pop(name, None)
    os.execv(PYTHON, [PYTHON, os.path.join(HERE, "build.py")] + sys.argv[1:])  # noqa: PTH118, RUF005


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        sys.exit(130)
