"""Which environment does a child run in? Threads, caches, variables: set before it imports anything, equal for all stacks."""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from bakeoff.authoring.discovery import INSTALLED, ROOT
from bakeoff.records.compile_only import INTERPRETER
from bakeoff.records.trial import Environment, Settings
from bakeoff.system.sandbox import Sandbox

MARK = "BAKEOFF_CHILD"  # identifies a child and all its descendants, which inherit the variable, so that none is left running
PHASES_FD = "BAKEOFF_PHASES_FD"  # file descriptor of the pipe to which a child writes its phases
DEVICE_LOCK = "BAKEOFF_DEVICE_LOCK"  # path of the lock file (device_lock.py)
TARGET = "BAKEOFF_TARGET"  # --target, for what must be set up before a framework is imported

# prefixes of variables that may explain a difference between two runs; recorded with each trial
RECORDED = ("TORCH", "PYTORCH", "TF_", "XLA", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "GOMP_", "TRITON", "CUDA", "CXX", "CC")
VERSIONS = (
    *("torch", "triton", "tensorflow", "keras", "jax", "numpy"),
    *("onnx", "onnxruntime", "onnxscript", "tf2onnx", "ai_edge_litert"),
)


def default_threads() -> int:
    """CPUs − 1, at least 1: a cell that uses all CPUs cannot be compared on a machine that does anything else."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def child_cpus(threads: int) -> list[int]:
    """The CPUs that a child may use: the last `threads` ones, because the first ones handle most interrupts."""
    return sorted(os.sched_getaffinity(0))[-threads:]


def child_environment(
    sandbox: Sandbox, settings: Settings, mark: str, *, diagnosing: bool = False, root: Path = ROOT
) -> dict[str, str]:
    """The complete environment of a child: the user's variables, overridden by those of `enforced`.

    `root` is the folder from which the child imports Bakeoff.
    """
    return {**os.environ, **enforced(sandbox, settings, mark, diagnosing=diagnosing, root=root)}


def enforced(sandbox: Sandbox, settings: Settings, mark: str, *, diagnosing: bool = False, root: Path = ROOT) -> dict[str, str]:
    """The variables that Bakeoff sets for a child, whatever the user has set."""
    n = str(settings.threads)
    own = sandbox.imports if INSTALLED else ROOT
    ours = {
        MARK: mark,
        TARGET: settings.target,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(str(own if path == ROOT else path) for path in (root, ROOT))),
        "PYTHONHASHSEED": "0",
        "PYTHONBREAKPOINT": "0",  # a child has no terminal for a debugger
        "PYTHONUNBUFFERED": "1",  # the last output of a child that crashes must not be lost
        "TMPDIR": str(sandbox.tmp),
        "XDG_CACHE_HOME": str(sandbox.compiler / "xdg"),
        "TORCHINDUCTOR_CACHE_DIR": str(sandbox.compiler / "inductor"),
        "TRITON_CACHE_DIR": str(sandbox.compiler / "triton"),
        "CUDA_CACHE_PATH": str(sandbox.compiler / "cuda"),
        "OMP_NUM_THREADS": n,
        "MKL_NUM_THREADS": n,
        "OPENBLAS_NUM_THREADS": n,
        "TF_NUM_INTRAOP_THREADS": n,
        "TF_NUM_INTEROP_THREADS": "1",
        # as many compile workers as threads; 1 compiles in the child itself, whose CPU time and memory then include it
        "TORCHINDUCTOR_COMPILE_THREADS": n,
        # with barriers that spin, a step of 1.7 ms took 9 to 80 ms on a shared machine
        "OMP_WAIT_POLICY": "PASSIVE",
        # XLA then logs each compilation, and Grappler each pass, as a line on stderr; the rest of the log comes with it
        "TF_CPP_MIN_LOG_LEVEL": "0",
        "TF_CPP_VMODULE": "device_compilation_profiler=1,meta_optimizer=1",
    }
    if diagnosing:  # only then: writing XLA's programs to files would slow a timed compile
        dump = f"--xla_dump_to={sandbox.artifacts / 'xla'} --xla_dump_hlo_as_text --xla_dump_hlo_as_proto"
        ours["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {dump}".strip()
    if settings.target == INTERPRETER:
        ours["TRITON_INTERPRET"] = "1"
    if settings.device == "cpu":
        ours["CUDA_VISIBLE_DEVICES"] = ""
    return ours


def describe(device: str, versions: Mapping[str, str]) -> Environment:
    """The machine and its software, read in this process; `versions` are those of packages."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        device=_device_name(device),
        versions=dict(versions),
        variables={k: v for k, v in sorted(os.environ.items()) if k.startswith(RECORDED) and not _in_sandbox(v)},
    )


def _device_name(device: str) -> str:
    """The device, with the GPU's name where this process has imported a framework that reports it."""
    torch = sys.modules.get("torch")
    if device != "cuda" or torch is None:
        return device
    return f"cuda: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else device


def imported_versions() -> dict[str, str]:
    """Package → version, of those packages of VERSIONS that this process has imported."""
    modules = {name: sys.modules.get(name) for name in VERSIONS}
    return {name: str(getattr(module, "__version__", "?")) for name, module in modules.items() if module is not None}


def _in_sandbox(value: str) -> bool:
    """Whether a variable's value is a path in the trial's sandbox, which differs in each trial and explains nothing."""
    return value.startswith(os.environ.get("TMPDIR", "\0").removesuffix("/tmp"))


def cpu_model() -> str:
    """The processor's model name, from /proc/cpuinfo."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
