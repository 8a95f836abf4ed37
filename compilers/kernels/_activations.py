"""Activations that kernels end with, by number: a kernel's constants are numbers."""

import triton
import triton.language as tl

NONE, RELU, GELU, GELU_TANH = range(4)
BY_NAME = {"none": NONE, "relu": RELU, "gelu": GELU, "gelu_tanh": GELU_TANH}


@triton.jit
def activate(z, ACTIVATION: tl.constexpr):
    """The activation of z. (1 + tanh(u)) / 2 is the sigmoid of 2u, here as a power of two: an exponential and a division."""
    if ACTIVATION == 1:
        z = tl.maximum(z, 0.0)
    elif ACTIVATION == 2:
        z = 0.5 * z * (1.0 + tl.erf(z * 0.7071067811865476))
    elif ACTIVATION == 3:
        z = z / (1.0 + tl.exp2(z * (-2.302208198144325 - 0.1029432395800235 * z * z)))
    return z


@triton.jit
def slope(z, ACTIVATION: tl.constexpr):
    """Its derivative at z."""
    d = z * 0.0 + 1.0
    if ACTIVATION == 1:
        d = tl.where(z > 0.0, 1.0, 0.0)
    elif ACTIVATION == 2:
        d = 0.5 * (1.0 + tl.erf(z * 0.7071067811865476)) + z * 0.3989422804014327 * tl.exp(-0.5 * z * z)
    elif ACTIVATION == 3:
        s = tl.sigmoid(1.5957691216057308 * (z + 0.044715 * z * z * z))
        d = s + z * s * (1.0 - s) * 1.5957691216057308 * (1.0 + 0.134145 * z * z)
    return d
