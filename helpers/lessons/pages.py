"""Write notebooks as pages for reading and printing that need a browser and no network."""

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from html import escape, unescape
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from helpers import files
from helpers.lessons import reference, sources

_WIDGET = "application/vnd.jupyter.widget-view+json"
_TO_PAGE = re.compile(rf"((?:\]\(|href=[\"'])(?:\.\./)?(?:{'|'.join(reference.NAMES)}))\.md")
_IN_HTML = re.compile(r"\$([^$<>]+)\$")


def export(folder: Path, names: Iterable[str] = (), own: Path | None = None) -> Iterator[str]:
    """Write each notebook as one page, with its figures and formulas in it.

    The pages of ``reference`` are written with them.

    Args:
        folder: Where to; made when missing. Links from lesson to lesson stay good in it.
        names: Which lessons and experiments; all of both when empty.
        own: The learner's folder, to export their notebooks and not the published ones.

    Yields:
        One line per page: what was written.

    Raises:
        ValueError: If there is no such notebook, or a formula cannot be written as MathML.
    """
    published = sources.ROOT / "notebooks"
    names = list(names)
    found = sources.notebooks(names) if names else [*sources.paths(), *sources.experiments()]
    for path in found:
        place = path.relative_to(published)
        notebook = (own or published) / place
        if not notebook.exists():
            raise ValueError(f"{own}/ has no {place}; `make lab` brings it there")
        target = (folder / place).with_suffix(".html")
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write(target, page(nbformat.read(notebook, as_version=4)).encode())
        yield f"{target}: written"
    for beside in reference.paths():
        target = folder / f"{beside.stem}.html"
        prose = nbformat.v4.new_markdown_cell(reference.handed_out(beside))
        files.write(target, page(nbformat.v4.new_notebook(cells=[prose])).encode())
        yield f"{target}: written"


def page(notebook: NotebookNode) -> str:
    """Return a notebook as one page of HTML.

    Args:
        notebook: With the outputs that it is to show; left as it is.

    Raises:
        ValueError: If a formula cannot be written as MathML.
    """
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":  # a widget lives with its kernel
            cell.outputs = [one for one in cell.outputs if _WIDGET not in one.get("data", {})]
        else:
            cell.source = _TO_PAGE.sub(r"\1.html", reference.beside_lessons(cell.source))
    body, _ = _Exporter(template_name="basic").from_notebook_node(notebook)
    headings = (re.match(r"# (.*)", cell.source) for cell in notebook.cells)
    title = next((heading[1] for heading in headings if heading), "")
    return _template().render(
        title=title, body=body, colours=HtmlFormatter().get_style_defs(".highlight")
    )


def formula(tex: str, display: str = "inline") -> str:
    """Return a formula as MathML, which browsers draw by themselves.

    Args:
        tex: What stands between the dollars.
        display: As in MathML, ``inline`` or ``block``.

    Raises:
        ValueError: If it holds a command that is not known.
    """
    try:
        written = convert(tex, display=display).replace(r"\_", "_")
    except Exception as error:  # many kinds, all of them about the formula
        raise ValueError(f"a formula is not TeX: {tex} ({type(error).__name__})") from error
    if "\\" in written:
        raise ValueError(f"a formula holds a command that cannot be written as MathML: {tex}")
    # Not a div: a formula may stand in a paragraph.
    return f'<span class="formula">{written}</span>' if display == "block" else written


class _Renderer(IPythonRenderer):
    """Prose as nbconvert writes it, but with formulas drawn and links from page to page."""

    def inline_math(self, body: str) -> str:
        return formula(body)

    def block_math(self, body: str) -> str:
        return formula(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return formula(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

    def block_html(self, html: str) -> str:
        # Markdown leaves alone what is folded, formulas too.
        return super().block_html(_IN_HTML.sub(lambda found: formula(found[1]), html))

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        # A link finds its heading by the name that JupyterLab gives it.
        name = unescape(re.sub(r"<[^>]+>", "", text)).strip().replace(" ", "-")
        return f'<h{level} id="{escape(name)}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        # Another lesson is another page; what stands elsewhere stays.
        local = re.sub(r"^(?!\w+:)(.*)\.ipynb(?=$|#)", r"\1.html", url)
        return super().link(text, local, title)


class _Exporter(HTMLExporter):
    """nbconvert's exporter without the scripts and prompts."""

    exclude_input_prompt = True
    exclude_output_prompt = True
    exclude_anchor_links = True

    @jinja2.pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        attachments = context["cell"].get("attachments", {})
        renderer = _Renderer(escape=False, attachments=attachments, exclude_anchor_links=True)
        return MarkdownWithMath(renderer=renderer).render(source)


def _template() -> jinja2.Template:
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(text)
