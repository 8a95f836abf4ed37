"""What to run here, and whether here is fit for measuring: advice from what is installed, from this machine, from saved runs.

available.py and installed.py know which stacks there are, doctor.py judges what host.py reads of the machine, pick.py chooses
a stack for so many steps from the evidence that evidence.py finds. The verbs are in harness/cli.
"""
