"""What does a cell compile to for a target that this machine does not have?"""
