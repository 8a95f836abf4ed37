"""What the machine reaches at most: the upper bound of a roofline."""
