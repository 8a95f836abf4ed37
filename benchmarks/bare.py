"""What would a user write without Bakeoff? Import, build, compile, step, in the usual way of each framework.

    python -m benchmarks.bare MODEL STACK STEPS
    python -m benchmarks.bare MODEL STACK turns      as a member of a group (bakeoff/runner/group.py)

Prints {"first_s": ..., "first_cpu_s": ..., "step_s": ...}: compiling and the first step, in wall and in CPU seconds of this
process, and the median of the other steps; as a member of a group, "slices": the mean step of each slice. It does the same work
as a measured cell (weights and batches generated from the seed, the same number of steps, outputs read at the end), without any
measuring code of Bakeoff.
"""

import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable

SLICE_S, UNTIMED_S = 0.01, 0.001


def torch_step(model: str, stack: str) -> tuple[Callable[[], None], Callable[[int], object]]:
    """(compile, step number n) with PyTorch."""
    import importlib

    import torch

    if stack == "torch_inductor":
        import torch._dynamo
        import torch._inductor.compile_fx  # as in the stack's file; the first call would import it anyway

    from bakeoff.authoring.model import Draw

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_grad_enabled(False)
    network = importlib.import_module(f"bakeoff.models.{model}").MODEL.at("small")
    module = network.torch()
    module.load_state_dict({k: torch.from_numpy(v) for k, v in network.weights(Draw(0)).items()}, strict=False)
    module.eval()
    batches = [tuple(map(torch.from_numpy, network.batch(Draw(0, 1, i), i).inputs)) for i in range(4)]
    compiled = [module]

    def compile_module() -> None:
        if stack == "torch_script":
            compiled[0] = torch.jit.trace(module, batches[0], check_trace=False)
        elif stack == "torch_inductor":
            compiled[0] = torch.compile(module)

    return compile_module, lambda n: compiled[0](*batches[n % 2])


def tensorflow_step(model: str, stack: str) -> tuple[Callable[[], None], Callable[[int], object]]:
    """(compile, step number n) with TensorFlow."""
    import importlib

    import tensorflow as tf

    from bakeoff.authoring.model import Draw, Weights

    network = importlib.import_module(f"bakeoff.models.{model}").MODEL.at("small")
    module = network.tensorflow(Weights(network.weights(Draw(0))))
    batches = []
    for i in range(4):
        batches.append(tuple(map(tf.constant, network.tensorflow_inputs(*network.batch(Draw(0, 1, i), i).inputs))))
    compiled = [module.__call__]

    def compile_module() -> None:
        if stack != "tf_eager":
            compiled[0] = tf.function(module.__call__, jit_compile=stack == "tf_xla")

    return compile_module, lambda n: compiled[0](*batches[n % 2]).numpy()


def whole(compile_module: Callable[[], None], step: Callable[[int], object], steps: int) -> dict[str, float]:
    """Compile, and run so many steps."""
    started, cpu = time.perf_counter(), time.process_time()
    compile_module()
    step(0)
    first_s, first_cpu_s = time.perf_counter() - started, time.process_time() - cpu
    seconds = []
    for n in range(1, steps):
        started = time.perf_counter()
        step(n)
        seconds.append(time.perf_counter() - started)
    return {"first_s": first_s, "first_cpu_s": first_cpu_s, "step_s": statistics.median(seconds)}


def in_turns(compile_module: Callable[[], None], step: Callable[[int], object]) -> dict[str, list[float]]:
    """The mean step of each slice, in the rounds of a group."""
    parent = socket.socket(fileno=int(os.environ["BAKEOFF_TURNS_FD"]))

    def ask(words: str) -> str:
        parent.send(words.encode())
        return parent.recv(64).decode()

    ask("built")
    compile_module()
    step(0)
    ask("compiled")
    for n in range(10):
        step(n)
    started, n = time.perf_counter(), 0
    while n < 4 or time.perf_counter() - started < 0.5:
        step(n)
        n += 1
    each = (time.perf_counter() - started) / n
    means, number = [], 0
    answer = ask(f"warm {SLICE_S:.6f}")
    while True:
        began = time.monotonic()
        for _ in range(max(1, min(10, round(UNTIMED_S / each)))):
            step(number)
        started = time.perf_counter()
        count = max(2, round(SLICE_S / each))
        for _ in range(count):
            step(number)
            number += 1
        means.append((time.perf_counter() - started) / count)
        times = f"{began:.6f} {time.monotonic():.6f}"
        if answer == "last":
            ask(f"timed {times}")
            return {"slices": means}
        answer = ask(f"slice {times}")


if __name__ == "__main__":
    make = torch_step if sys.argv[2].startswith("torch") else tensorflow_step
    parts = make(sys.argv[1], sys.argv[2])
    print(json.dumps(in_turns(*parts) if sys.argv[3] == "turns" else whole(*parts, int(sys.argv[3]))), flush=True)
    os._exit(0)  # as the worker does: exit handlers are not part of the comparison
