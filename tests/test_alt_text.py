"""An exported page has the words of its figures."""

import base64
from html.parser import HTMLParser

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter, SlidesExporter
from traitlets.config import JSONFileConfigLoader

from helpers import lessons
from helpers.lessons import sources

FIGURE = """\
from helpers import plots

plots.use_style()
plots.show(plots.curves({"a": [1, 2]}, x=[1, 2], xlabel="<x>", ylabel='"y"', title="It rises"))"""


class Images(HTMLParser):
    """The attributes of every image on a page."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append(dict(attrs))


def exported(notebook, exporter):
    config = JSONFileConfigLoader("jupyter_config.json", str(sources.ROOT / ".jupyter"))
    page, _ = exporter(config=config.load_config()).from_notebook_node(notebook)
    (image,) = Images(page).found
    return image


@pytest.fixture(scope="module")
def notebook():
    cell = nbformat.v4.new_code_cell(FIGURE)
    (run,) = lessons.execute([nbformat.v4.new_notebook(cells=[cell])])
    assert run.failure == ""
    return run.notebook


@pytest.mark.parametrize("exporter", [HTMLExporter, SlidesExporter])
def test_an_exported_page_describes_its_figures(notebook, exporter):
    image = exported(notebook, exporter)
    assert image["alt"] == 'It rises: "y" against <x>. a from 1 to 2.'
    assert (image["width"], image["height"]) == ("608", "320")
    (output,) = notebook.cells[0].outputs  # the notebook itself is left as it was
    content = image["src"].removeprefix("data:image/png;base64,")
    assert base64.b64decode(content) == base64.b64decode(output.data["image/png"])


def test_without_our_settings_the_page_would_not(notebook):
    """Or the test above would prove nothing, and what it tests could go."""
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (image,) = Images(page).found
    assert "It rises" not in image["alt"]


def test_a_picture_without_words_is_left_to_nbconvert():
    output = nbformat.v4.new_output("display_data", {"image/png": "YWJj"})
    cell = nbformat.v4.new_code_cell(outputs=[output])
    image = exported(nbformat.v4.new_notebook(cells=[cell]), HTMLExporter)
    assert image["src"] == "data:image/png;base64,YWJj"
