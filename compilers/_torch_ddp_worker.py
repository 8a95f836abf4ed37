"""A further DDP worker: `python -m bakeoff.compilers._torch_ddp_worker FD`, FD being one end of a pipe. See _torch_ddp.py."""

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
    """Execute the first worker's commands until it ends. Returns 1 after an exception here, whose message is sent to it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end together with the first worker
    first = Connection(fd)
    try:
        for module, path, symbol in first.recv():
            try:
                importlib.import_module(module)
            except ModuleNotFoundError:  # a file outside the package, which the first worker loaded by its path
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
    os._exit(code)  # as in the measuring child: the frameworks' exit handlers are slow
