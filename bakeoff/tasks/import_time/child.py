"""In a child: time the import of one framework by a bare Python. Cold: its files are dropped from the page cache first."""

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from bakeoff.tasks.import_time.record import ImportResult
from bakeoff.worker.job import Job

# nothing of ours is imported in it: numpy, which our own code needs, would not be part of the framework's import any more
BARE = """
import json, resource, sys, time
def read_bytes():
    return next(int(line.split()[1]) for line in open("/proc/self/io") if line.startswith("read_bytes"))
def peak_bytes():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
before, read, cpu_s, start = len(sys.modules), read_bytes(), time.process_time(), time.perf_counter()
module = __import__(sys.argv[1])
import_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_s
print(json.dumps({
    "import_s": import_s, "cpu_s": cpu_s, "read_bytes": read_bytes() - read, "modules": len(sys.modules) - before,
    "peak_bytes": peak_bytes(), "version": str(getattr(module, "__version__", "?")),
}))
"""


def run(job: Job) -> ImportResult:
    """Seconds of the import statement itself, and what it read. ModuleNotFoundError where there is no such framework."""
    framework = job.request.framework
    if job.request.options["cold"]:
        evict(Path(sysconfig.get_path("platlib")))
    done = subprocess.run([sys.executable, "-c", BARE, framework], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        __import__(framework)  # says by itself what is wrong
        raise RuntimeError(f"a bare Python that imports {framework} ended with exit code {done.returncode}")
    return ImportResult(**json.loads(done.stdout.splitlines()[-1]))


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
