"""What does the assembler report of a kernel? Registers, spills, shared memory; and how many of its warps fit on the device."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bakeoff import Unavailable
from bakeoff.records.compile_only import Kernel

USAGE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
SPILLS = re.compile(r"(\d+) bytes spill stores")
WORD = 4  # bytes: Triton's driver counts spills in them
WARP, ALLOCATION, LEAST_SHARED, MOST_BLOCKS = 32, 256, 1024, 32  # CUDA C programming guide, compute capabilities 8.0 to 10.0


def kernel(autotuner: Any, gpu: dict[str, Any]) -> Kernel:
    """The Kernel of one of Inductor's CachingAutotuners, compiled and not loaded, by its first configuration."""
    results = autotuner.compile_results
    compiled = results[0].kernel
    each = tuple(_registers(result.kernel.asm["cubin"]) for result in results)
    registers = each[0]
    warps, shared = int(compiled.metadata.num_warps), int(compiled.metadata.shared)
    return Kernel(
        name=str(autotuner.fn.__name__),
        configurations=len(results),
        warps=warps,
        registers=registers,
        registers_each=each,
        spill_bytes=_spills(compiled.asm["ptx"], 10 * gpu["major"] + gpu["minor"]),
        shared_bytes=shared,
        code_bytes=len(compiled.asm["cubin"]),
        occupancy=occupancy(registers, shared, warps, gpu),
    )


def loaded(autotuners: Sequence[Any], gpu: dict[str, Any]) -> dict[str, float]:
    """Values of the kernels that a device has loaded, from its driver, for the configurations that run; {} without any.

    registers (maximum), spill_bytes (local memory, summed), shared_bytes (maximum), occupancy (minimum), `registers_<kernel>`.
    """
    running = [(str(a.fn.__name__), a.launchers[0]) for a in autotuners if len(a.launchers) == 1]
    known = [(name, found) for name, found in running if getattr(found, "n_regs", None) is not None]
    if not known:
        return {}
    shared = [int(found.shared or 0) for _, found in known]
    fits = [
        occupancy(int(found.n_regs), bytes_, int(found.config.num_warps), gpu)
        for (_, found), bytes_ in zip(known, shared, strict=True)
    ]
    each: dict[str, float] = {}  # names are numbered graph by graph
    for name, found in known:
        each[f"registers_{name}"] = max(each.get(f"registers_{name}", 0.0), float(found.n_regs))
    local = sum(WORD * int(found.n_spills or 0) for _, found in known)
    most = max(each.values())
    return {"registers": most, "spill_bytes": float(local), "shared_bytes": float(max(shared)), "occupancy": min(fits), **each}


def here() -> dict[str, Any]:
    """The properties of this process's GPU that `occupancy` needs."""
    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    names = (
        "regs_per_multiprocessor",
        "max_threads_per_multi_processor",
        "shared_memory_per_multiprocessor",
        "shared_memory_per_block_optin",
    )
    return {name: getattr(found, name) for name in names}


def occupancy(registers: int, shared: int, warps: int, gpu: dict[str, Any]) -> float:
    """Resident warps, limited by registers, shared memory and threads, as a share of the maximum; 0 where no block fits."""
    most = gpu["max_threads_per_multi_processor"] // WARP
    by_registers = gpu["regs_per_multiprocessor"] // (-(-registers * WARP // ALLOCATION) * ALLOCATION) // warps
    by_shared = gpu["shared_memory_per_multiprocessor"] // (shared + LEAST_SHARED)
    if shared > gpu["shared_memory_per_block_optin"]:
        by_shared = 0
    return min(by_registers, by_shared, most // warps, MOST_BLOCKS) * warps / most


def _registers(cubin: bytes) -> int:
    """Registers per thread, read from the binary."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        output = _output(_tool("cuobjdump"), "--dump-resource-usage", file.name)
    usage = USAGE.search(output)
    if usage is None:
        raise Unavailable(f"Triton's cuobjdump reports no registers: {output.strip()[:200]}")
    return int(usage[1])


def _spills(ptx: str, capability: int) -> int:
    """Bytes per thread that the assembler stores to local memory, which it reports only while it assembles."""
    wide = "a" if capability >= 90 else ""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(ptx)
        tool = _tool("ptxas_blackwell" if capability >= 100 else "ptxas")
        output = _output(tool, "-v", f"--gpu-name=sm_{capability}{wide}", str(source), "-o", str(Path(folder, "kernel.cubin")))
    return sum(int(found) for found in SPILLS.findall(output))


def _tool(name: str) -> str:
    """The path of one of the CUDA programs in Triton's wheel."""
    from triton import knobs

    tool = getattr(knobs.nvidia, name, None)
    if tool is None:
        raise Unavailable(f"this Triton has no {name}: pip install 'triton>=3.6'")
    return str(tool.path)


def _output(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
