"""How are saved runs written, found and read, including those of older versions?"""
