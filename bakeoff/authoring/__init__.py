"""What the author of a model or a stack uses: Model, Stack, their errors, and how their files are found."""
