"""In a child: import one framework and nothing else. Cold: the page cache is asked to let go of all installed files first."""

import contextlib
import importlib
import os
import sys
import sysconfig
import time
from pathlib import Path

from bakeoff.system import procfs
from bakeoff.tasks.import_time.record import ImportResult
from bakeoff.worker.job import Job


def run(job: Job) -> ImportResult:
    """Seconds of the import statement itself, and what it read. ModuleNotFoundError where there is no such framework."""
    if job.request.options["cold"]:
        evict(Path(sysconfig.get_path("platlib")))
    before, read, cpu_s = len(sys.modules), read_bytes(), time.process_time()
    start = time.perf_counter()
    module = importlib.import_module(job.request.framework)
    import_s = time.perf_counter() - start
    return ImportResult(
        import_s=import_s,
        cpu_s=time.process_time() - cpu_s,
        read_bytes=read_bytes() - read,
        modules=len(sys.modules) - before,
        peak_bytes=procfs.peak_bytes(),
        version=str(getattr(module, "__version__", "?")),
    )


def evict(folder: Path) -> None:
    """Drop the files below a folder from the page cache (posix_fadvise(2)); what another process has mapped stays there."""
    for directory, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                file = os.open(Path(directory, name), os.O_RDONLY)
                try:
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(file)


def read_bytes() -> int:
    """Bytes that this process has caused to be read from storage (proc(5), io)."""
    return next(
        int(line.split()[1]) for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("read_bytes")
    )
