"""Triton kernels of our own. Each file: the kernel, its operator `torch.ops.bakeoff.<name>`, and a function that calls it.

Shapes are as in the operator of PyTorch that each replaces; `rewrite` puts them into a graph. float32, float16 and bfloat16;
sums are taken in float32. Imported in a child only: `import triton` needs to know beforehand whether to interpret.
"""
