"""Bring the alt text of figures into exported pages.

A figure's words are in the notebook, beside its PNG. nbconvert leaves them out of HTML,
as JupyterLab does on the screen (for which there is ``.jupyter/labextensions``).
"""

import html
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode


class AltText(Preprocessor):
    """Write each PNG that has an alt text as an HTML image that has it too.

    ``.jupyter/jupyter_config.json``, to which ``make env`` leads, gives it to every
    exporter of HTML: on the command line, and in JupyterLab's menu.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Replace the pictures of one cell; the notebook is the exporter's own copy."""
        for output in cell.get("outputs", []):
            details = output.get("metadata", {}).get("image/png", {})
            if "image/png" in output.get("data", {}) and details.get("alt"):
                shown = {name: details[name] for name in ("alt", "width", "height")}
                shown["src"] = f"data:image/png;base64,{output.data.pop('image/png')}"
                words = " ".join(f'{name}="{html.escape(str(v))}"' for name, v in shown.items())
                output.data["text/html"] = f"<img {words}>"
        return cell, resources
