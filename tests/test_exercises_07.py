"""Right answers to the exercises of lesson 07, and its references against facts."""

SOLUTIONS = []
