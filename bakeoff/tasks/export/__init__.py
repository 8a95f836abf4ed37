"""What does it cost to export a program in a deployment format, and to serve it without the model's code?"""
