"""What importing each framework costs, cold and warm from the page cache."""
