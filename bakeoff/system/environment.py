"""Threads, caches and variables of a child: set before it imports anything, equal for all stacks."""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from bakeoff.authoring.discovery import INSTALLED, ROOT
from bakeoff.records.compile_only import INTERPRETER
from bakeoff.records.trial import Environment, Settings
from bakeoff.system.sandbox import Sandbox

MARK = "BAKEOFF_CHILD"  # in the environment of a child and so of all its descendants, wherever they hide
PHASES_FD = "BAKEOFF_PHASES_FD"
DEVICE_LOCK = "BAKEOFF_DEVICE_LOCK"  # a file: which of several sessions times its cell on the device just now
TARGET = "BAKEOFF_TARGET"  # read before a framework is imported: some of what a target needs must be there first

# what could explain a difference between two runs; recorded with each trial
RECORDED = ("TORCH", "PYTORCH", "TF_", "XLA", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "GOMP_", "TRITON", "CUDA", "CXX", "CC")
VERSIONS = (
    *("torch", "triton", "tensorflow", "keras", "jax", "numpy"),
    *("onnx", "onnxruntime", "onnxscript", "tf2onnx", "ai_edge_litert"),
)


def default_threads() -> int:
    """Cores − 1: cells that use every core can't be compared on a machine that does anything else."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def child_cpus(threads: int) -> list[int]:
    """The CPUs that a child may use: the last `threads` ones, since interrupts favour the first."""
    return sorted(os.sched_getaffinity(0))[-threads:]


def child_environment(
    private: Sandbox, settings: Settings, mark: str, *, diagnosing: bool = False, root: Path = ROOT
) -> dict[str, str]:
    """The whole environment of a child. The user's own variables stay, and are recorded; ours win.

    `root` holds the rooms that it imports from.
    """
    return {**os.environ, **enforced(private, settings, mark, diagnosing=diagnosing, root=root)}


def enforced(private: Sandbox, settings: Settings, mark: str, *, diagnosing: bool = False, root: Path = ROOT) -> dict[str, str]:
    """Our part of it, whatever the user has set."""
    n = str(settings.threads)
    own = private.imports if INSTALLED else ROOT
    ours = {
        MARK: mark,
        TARGET: settings.target,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(str(own if path == ROOT else path) for path in (root, ROOT))),
        "PYTHONHASHSEED": "0",
        "PYTHONBREAKPOINT": "0",  # nobody is there to debug a child
        "PYTHONUNBUFFERED": "1",  # what a crashing child printed last is what one wants to read
        "TMPDIR": str(private.tmp),
        "XDG_CACHE_HOME": str(private.compiler / "xdg"),
        "TORCHINDUCTOR_CACHE_DIR": str(private.compiler / "inductor"),
        "TRITON_CACHE_DIR": str(private.compiler / "triton"),
        "CUDA_CACHE_PATH": str(private.compiler / "cuda"),
        "OMP_NUM_THREADS": n,
        "MKL_NUM_THREADS": n,
        "OPENBLAS_NUM_THREADS": n,
        "TF_NUM_INTRAOP_THREADS": n,
        "TF_NUM_INTEROP_THREADS": "1",
        # as many compile workers as threads: 1 compiles in process, so that CPU seconds and memory are its own
        "TORCHINDUCTOR_COMPILE_THREADS": n,
        # a spinning barrier turned 1.7 ms into 9–80 ms on a shared machine
        "OMP_WAIT_POLICY": "PASSIVE",
        # XLA's own record of each compilation and Grappler's of each pass, a line each on stderr; the rest of TensorFlow's
        # log comes along
        "TF_CPP_MIN_LOG_LEVEL": "0",
        "TF_CPP_VMODULE": "device_compilation_profiler=1,meta_optimizer=1",
    }
    if diagnosing:  # what XLA made of the program; writing it would slow a timed compile
        dump = f"--xla_dump_to={private.artifacts / 'xla'} --xla_dump_hlo_as_text --xla_dump_hlo_as_proto"
        ours["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {dump}".strip()
    if settings.target == INTERPRETER:
        ours["TRITON_INTERPRET"] = "1"
    if settings.device == "cpu":
        ours["CUDA_VISIBLE_DEVICES"] = ""
    return ours


def describe(device: str, versions: Mapping[str, str]) -> Environment:
    """The machine and its software as this process sees them."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        device=_device_name(device),
        versions=dict(versions),
        variables={k: v for k, v in sorted(os.environ.items()) if k.startswith(RECORDED) and not _private(v)},
    )


def _device_name(device: str) -> str:
    """The GPU's own name, as far as the framework that this process has imported tells."""
    torch = sys.modules.get("torch")
    if device != "cuda" or torch is None:
        return device
    return f"cuda: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else device


def imported_versions() -> dict[str, str]:
    """Versions of the packages that decide a number, as far as this process has imported them."""
    modules = {name: sys.modules.get(name) for name in VERSIONS}
    return {name: str(getattr(module, "__version__", "?")) for name, module in modules.items() if module is not None}


def _private(value: str) -> bool:
    """Paths of the trial's own folders differ from trial to trial and explain nothing."""
    return value.startswith(os.environ.get("TMPDIR", "\0").removesuffix("/tmp"))


def cpu_model() -> str:
    """The processor's own name for itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
