"""What does a test need on this machine? Without it, the test is skipped with a reason."""

from importlib.util import find_spec
from shutil import which

import pytest

FRAMEWORKS = ("torch", "tensorflow", "triton", "keras", "jax")

needs_torch = pytest.mark.skipif(not find_spec("torch"), reason="needs torch")
needs_compiler = [needs_torch, pytest.mark.skipif(not which("g++"), reason="needs a C++ compiler")]
needs_tensorflow = pytest.mark.skipif(not find_spec("tensorflow"), reason="needs tensorflow")
needs_tensorboard = pytest.mark.skipif(not find_spec("tensorboardX"), reason="needs tensorboardX: pip install '.[tensorboard]'")
