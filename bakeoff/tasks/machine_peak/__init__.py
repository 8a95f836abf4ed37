"""How many flops and bytes per second does the machine reach? The upper bound of a roofline."""
