"""What does each new input shape cost a program that is compiled once?"""
