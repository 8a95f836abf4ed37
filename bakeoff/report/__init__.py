"""How is a saved run read outside a terminal? As one HTML page, or as event files in TensorBoard."""
