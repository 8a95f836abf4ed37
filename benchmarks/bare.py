"""What would a user write without Bakeoff? Import, build, compile, step, in the usual way of each framework.

    python -m benchmarks.bare MODEL STACK STEPS

Prints {"first_s": ..., "first_cpu_s": ..., "step_s": ...}: compiling and the first step, in wall and in CPU seconds of this
process, and the median of the other steps. It does the same work as a measured cell (weights and batches generated from the
seed, the same number of steps, outputs read at the end), without any measuring code of Bakeoff.
"""

import json
import os
import statistics
import sys
import time

FIRST_CPU: list[float] = []


def torch_steps(model: str, stack: str, steps: int) -> list[float]:
    """Step times with PyTorch; the first one includes compiling."""
    import importlib

    import numpy as np
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
    started, cpu = time.perf_counter(), time.process_time()
    if stack == "torch_script":
        module = torch.jit.trace(module, batches[0], check_trace=False)
    elif stack == "torch_inductor":
        module = torch.compile(module)
    seconds = []
    for n in range(steps):
        output = module(*batches[n % 2])
        seconds.append(time.perf_counter() - started)
        if n == 0:
            FIRST_CPU.append(time.process_time() - cpu)
        started = time.perf_counter()
    np.asarray(output)
    return seconds


def tensorflow_steps(model: str, stack: str, steps: int) -> list[float]:
    """Step times with TensorFlow; the first one includes compiling."""
    import importlib

    import tensorflow as tf

    from bakeoff.authoring.model import Draw, Weights

    network = importlib.import_module(f"bakeoff.models.{model}").MODEL.at("small")
    module = network.tensorflow(Weights(network.weights(Draw(0))))
    batches = []
    for i in range(4):
        batches.append(tuple(map(tf.constant, network.tensorflow_inputs(*network.batch(Draw(0, 1, i), i).inputs))))
    started, cpu = time.perf_counter(), time.process_time()
    step = module.__call__ if stack == "tf_eager" else tf.function(module.__call__, jit_compile=stack == "tf_xla")
    seconds = []
    for n in range(steps):
        output = step(*batches[n % 2])
        output.numpy()
        seconds.append(time.perf_counter() - started)
        if n == 0:
            FIRST_CPU.append(time.process_time() - cpu)
        started = time.perf_counter()
    return seconds


if __name__ == "__main__":
    which = torch_steps if sys.argv[2].startswith("torch") else tensorflow_steps
    first, *others = which(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    print(json.dumps({"first_s": first, "first_cpu_s": FIRST_CPU[0], "step_s": statistics.median(others)}), flush=True)
    os._exit(0)  # as the worker does: exit handlers are not part of the comparison
