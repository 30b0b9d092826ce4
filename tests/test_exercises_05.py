"""Right answers to the exercises of lesson 05, and its references against facts."""

SOLUTIONS = []
