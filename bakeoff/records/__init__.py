"""Which data pass between the processes and are saved? Requests, cells, trials and their parts. Standard library only."""
