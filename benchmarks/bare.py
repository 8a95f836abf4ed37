"""What a user would write without Bakeoff: import, build, compile, step, in one file per framework's habit.

    python -m benchmarks.bare MODEL STACK STEPS

Prints nothing. It does the work that a measured cell does (weights and batches drawn from the seed, the same number of
steps, outputs read at the end), with none of the instrument around it.
"""

import os
import sys


def torch_steps(model: str, stack: str, steps: int) -> None:
    """PyTorch's part."""
    import importlib

    import numpy as np
    import torch

    if stack == "torch_inductor":
        import torch._dynamo
        import torch._inductor.compile_fx  # as the stack's file does; it would come with the first call anyway

    from harness.model import Draw

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_grad_enabled(False)
    subject = importlib.import_module(f"models.{model}").MODEL.at("small")
    module = subject.torch()
    module.load_state_dict({k: torch.from_numpy(v) for k, v in subject.weights(Draw(0)).items()}, strict=False)
    module.eval()
    batches = [tuple(map(torch.from_numpy, subject.batch(Draw(0, 1, i), i).inputs)) for i in range(4)]
    if stack == "torch_script":
        module = torch.jit.trace(module, batches[0], check_trace=False)
    elif stack == "torch_inductor":
        module = torch.compile(module)
    for n in range(steps):
        output = module(*batches[n % 2])
    np.asarray(output)


def tensorflow_steps(model: str, stack: str, steps: int) -> None:
    """TensorFlow's part."""
    import importlib

    import tensorflow as tf

    from harness.model import Draw, Weights

    subject = importlib.import_module(f"models.{model}").MODEL.at("small")
    module = subject.tensorflow(Weights(subject.weights(Draw(0))))
    batches = []
    for i in range(4):
        batches.append(tuple(map(tf.constant, subject.tensorflow_inputs(*subject.batch(Draw(0, 1, i), i).inputs))))
    step = module.__call__ if stack == "tf_eager" else tf.function(module.__call__, jit_compile=stack == "tf_xla")
    for n in range(steps):
        output = step(*batches[n % 2])
        output.numpy()


if __name__ == "__main__":
    which = torch_steps if sys.argv[2].startswith("torch") else tensorflow_steps
    which(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    os._exit(0)  # as the worker leaves: exit handlers are no part of the comparison
