"""A worker beside the first: `python -m compilers._torch_ddp_worker FD`, with one end of a pipe. See _torch_ddp.py."""

import ctypes
import importlib
import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from bakeoff.authoring.discovery import load


def main(fd: int) -> int:
    """Serve until the first worker is gone; 1 if something went wrong here, after telling it what."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nobody would wait for this one
    first = Connection(fd)
    try:
        for module, path, symbol in first.recv():
            try:
                importlib.import_module(module)
            except ModuleNotFoundError:  # a file outside the project, which the first worker loaded by its path
                load(Path(path), symbol)
        task = first.recv()
        task.stack.serve(task, first)
    except EOFError:
        return 0
    except BaseException as error:
        traceback.print_exc()
        first.send(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    code = main(int(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)  # as the measuring child does: frameworks' exit handlers take long
