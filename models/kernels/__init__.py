"""One PyTorch operation per file. Our Triton kernels are compared with them. Measured only if named, or by test_kernels.py."""
