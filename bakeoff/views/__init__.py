"""How are results shown as tables, on the terminal and in Markdown?"""
