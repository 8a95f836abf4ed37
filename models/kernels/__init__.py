"""One operation each, as PyTorch has it: what a kernel of ours is compared with. In the matrix only where named."""
