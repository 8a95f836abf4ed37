"""The command line's verbs, a file each: what is asked for → what the rest of the harness does → what is printed."""
