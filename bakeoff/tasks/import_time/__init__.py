"""What does importing each framework cost, with its files in the page cache (warm) or not (cold)?"""
