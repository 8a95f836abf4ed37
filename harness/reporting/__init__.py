"""From saved runs to what people look at: one self-contained HTML file. Pure reading: nothing here measures.

facts.py says what the page shows of a cell, charts.py how it is drawn, page.py puts both into page.html, and page.js lets the
reader choose: which metric, which cell, how many steps.
"""
