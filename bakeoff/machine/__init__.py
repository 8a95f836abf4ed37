"""What on this machine would disturb a measurement, and which stacks can run on it?"""
