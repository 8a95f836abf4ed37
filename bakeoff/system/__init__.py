"""How do parent and child use the operating system? /proc, environment variables, sandboxes, folders, terminals."""
