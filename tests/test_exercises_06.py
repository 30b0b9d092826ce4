"""Right answers to the exercises of lesson 06, and its references against facts."""

SOLUTIONS = []
