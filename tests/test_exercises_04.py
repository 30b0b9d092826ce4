"""Right answers to the exercises of lesson 04, and its references against facts."""

SOLUTIONS = []
