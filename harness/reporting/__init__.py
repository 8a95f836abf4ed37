"""From saved runs to what people look at. Pure reading: nothing here measures.

One self-contained HTML file: facts.py says what it shows of a cell, charts.py how it is drawn, changed.py and tables.py what
stands beside it, page.py puts it all into page.html, and page.js lets the reader choose a metric, a cell, a number of steps.
TensorBoard's event files: board.py says what, event_files.py writes, exporting.py is the verb.
"""
