"""What both sides of the process boundary know of the machine: /proc, environments, sandboxes, streams."""
