"""Right answers to the exercises of lesson 03, and its references against facts."""

SOLUTIONS = []
