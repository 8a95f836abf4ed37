"""How does a forked process get the memory that a new process has? It asks the kernel for its parent's pages, all at once.

After a fork the child shares its parent's pages: each first write to one is a page fault that copies it, and pages of files are
mapped anew when they are first read. In a new process, importing has done all that. Without this module the first call of a
forked child took 1.2 to 1.7 times as long (docs/decisions/0014-fork-server.md).
"""

import contextlib
import ctypes
import io
import mmap
import os
import struct
from functools import cache
from pathlib import Path
from typing import BinaryIO

# madvise(2), since Linux 5.14
POPULATE_READ, POPULATE_WRITE = 22, 23
PRESENT = 1 << 63  # bit of an entry of /proc/self/pagemap
NOT_MEMORY = ("[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]")

_madvise = ctypes.CDLL(None, use_errno=True).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


@cache
def can_populate() -> bool:
    """Does the kernel know how?"""
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        buffer = ctypes.c_char.from_buffer(page)
        done: bool = _madvise(ctypes.addressof(buffer), mmap.PAGESIZE, POPULATE_WRITE) == 0
        del buffer
    return done


def in_memory() -> int:
    """File descriptor of a list of the private pages of this process that are in memory (proc(5): pagemap).

    Of each run of successive pages three numbers of 64 bits: its address, its size in bytes, POPULATE_READ or POPULATE_WRITE.
    A forked process makes the list, so that this one's heap stays as it is: where it has gaps decides where later objects lie.
    """
    listed = os.memfd_create("pages")
    helper = os.fork()
    if helper == 0:
        try:
            found = io.BytesIO()
            _list(os.getppid(), found)
            os.write(listed, found.getbuffer())  # all or nothing
        finally:
            os._exit(0)
    with contextlib.suppress(ChildProcessError):  # where nobody waits for children, this one returns when all have ended
        os.waitpid(helper, 0)
    return listed


def _list(process: int, file: BinaryIO) -> None:
    """Write the list of a process that waits meanwhile."""
    import numpy as np

    with Path(f"/proc/{process}/pagemap").open("rb", buffering=0) as pagemap:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            span, permissions, *_ = line.split()
            if permissions[0] != "r" or permissions[3] != "p" or line.endswith(NOT_MEMORY):
                continue
            start, end = (int(address, 16) for address in span.split("-"))
            pagemap.seek(start // mmap.PAGESIZE * 8)
            entries = np.frombuffer(pagemap.read((end - start) // mmap.PAGESIZE * 8), np.uint64)
            present = np.concatenate([[False], entries & np.uint64(PRESENT) != 0, [False]])
            edges = np.flatnonzero(present[1:] != present[:-1])
            for first, last in edges.reshape(-1, 2).tolist():
                advice = POPULATE_WRITE if permissions[1] == "w" else POPULATE_READ
                file.write(struct.pack("QQQ", start + first * mmap.PAGESIZE, (last - first) * mmap.PAGESIZE, advice))


def populate(listed: int) -> None:
    """Have the pages of a list that the parent made in this process's memory; those that are writable are copied."""
    size = os.fstat(listed).st_size
    if not size:
        return
    with mmap.mmap(listed, size, access=mmap.ACCESS_READ) as pages:
        for offset in range(0, size, struct.calcsize("QQQ")):
            _madvise(*struct.unpack_from("QQQ", pages, offset))
