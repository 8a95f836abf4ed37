"""How does a child time the import of a framework? In a further process, a Python without Bakeoff.

For a cold import, the files of all installed packages are dropped from the page cache first.
"""

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from bakeoff.tasks.import_time.record import ImportResult
from bakeoff.worker.job import Job

# it imports nothing of Bakeoff, which imports numpy: importing numpy belongs to the framework's import
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
    """Time of the import statement itself, and what it read. Raises the error of the import if it fails."""
    framework = job.request.framework
    if job.request.options["cold"]:
        evict(Path(sysconfig.get_path("platlib")))
    done = subprocess.run([sys.executable, "-c", BARE, framework], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        __import__(framework)  # raises the error of the import
        raise RuntimeError(f"a bare Python that imports {framework} ended with exit code {done.returncode}")
    return ImportResult(**json.loads(done.stdout.splitlines()[-1]))


def evict(folder: Path) -> None:
    """Drop the files in a folder from the page cache (posix_fadvise(2)). Files that another process has mapped stay in it."""
    for directory, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                file = os.open(Path(directory, name), os.O_RDONLY)
                try:
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(file)
