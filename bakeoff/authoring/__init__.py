"""What does the author of a model or a stack use? Model, Stack and their errors. Also: how are their files found?"""
