"""How fast is each cell of the matrix? Cells are timed, or compiled for the target of --target."""
