"""Which target does this child compile for, and what must be loaded before PyTorch for it? Imported before torch.

A CPU build of PyTorch registers no CUDA device, and autograd asks for one when it is loaded. compilers/_inert_cuda.cpp is one
that does nothing. It is built as part of the machine's one-time cost.
"""

import ctypes
import hashlib
import importlib.util
import os
import subprocess
from pathlib import Path

from bakeoff import Unavailable
from bakeoff.records.compile_only import family
from bakeoff.system.environment import TARGET as VARIABLE

TARGET = os.environ.get(VARIABLE, "")
GPULESS = family(TARGET) == "cuda"
INTERPRETED = family(TARGET) == "interpreter"
SOURCE = Path(__file__).with_name("_inert_cuda.cpp")


def _preload() -> None:
    """Load the library of the inert device, which registers itself. Raises Unavailable where it cannot be built."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return  # importing torch fails and reports it
    home = Path(found.origin).parent
    if (home / "lib" / "libtorch_cuda.so").exists():  # a CUDA build has its own device guard
        return
    version = (home / "version.py").read_text()
    name = hashlib.sha256((SOURCE.read_text() + version).encode()).hexdigest()[:16]
    library = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent / "inert_cuda" / f"{name}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        compiler = os.environ.get("CXX", "g++")
        words = [compiler, "-O1", "-std=c++20", "-shared", "-fPIC", f"-I{home}/include", str(SOURCE), "-o", str(library)]
        try:
            subprocess.run([*words, f"-L{home}/lib", "-lc10", "-ltorch_cpu"], check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise Unavailable(f"--target {TARGET} needs a C++ compiler: apt-get install g++, or name one in CXX") from None
        except subprocess.CalledProcessError as error:
            said = next((line for line in error.stderr.splitlines() if "error" in line), error.stderr[:200])
            raise Unavailable(f"--target {TARGET}: this PyTorch's headers do not fit {SOURCE.name}: {said}") from None
    for part in ("libc10.so", "libtorch_cpu.so"):
        ctypes.CDLL(str(home / "lib" / part), mode=ctypes.RTLD_GLOBAL)
    if ctypes.CDLL(str(library)).install_inert_cuda() != 1:
        raise Unavailable(f"--target {TARGET}: PyTorch did not take the inert device; it has been loaded before")


if GPULESS:
    _preload()
