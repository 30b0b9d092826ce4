"""Which lessons are held to the rules for lessons that teach one thing a cell."""

# Numbers of lessons. When all are here, the old rules in tests/test_notebooks.py go.
REWRITTEN: set[str] = set()
