"""What tests share: records, fake stacks, and functions that run the instrument."""
