"""The parts of a notebook that its rules look at."""

import ast


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def printed(cell):
    """Everything a code cell printed."""
    return "".join(output.get("text", "") for output in cell.outputs)


def figures(notebook):
    return [output for output in outputs(notebook) if "image/png" in output.get("data", {})]


def trees(notebook):
    """Every node of the syntax trees of all code cells."""
    return [node for cell in code_cells(notebook) for node in ast.walk(ast.parse(cell.source))]


def between(low, value, high, what):
    return [] if low <= value <= high else [f"{value:g} {what}, expected {low} to {high}"]
