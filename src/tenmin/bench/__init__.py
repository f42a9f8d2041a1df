"""What the program costs on this machine, beside the machine's limits and other programs.

Every candidate of a comparison runs once in every round, in an order that turns; ratios are formed
inside a round, so that a machine that is busy now and idle then changes both sides alike.
"""
