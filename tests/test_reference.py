"""The pages beside the lessons: what they say is true, and links to them arrive."""

import re
from functools import partial

import nbformat
import numpy as np
import pytest
import torch

from helpers import initialize, lessons, theory
from helpers.lessons import pages, reference, sources

GLOSSARY, FORMULAS, SOURCES = (sources.ROOT / "docs" / f"{name}.md" for name in reference.NAMES)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def rows(section):
    """The rows of the tables in a section of the formula sheet, as lists of cells."""
    text = FORMULAS.read_text()
    (found,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    lines = re.findall(r"^\| (.+) \|$", found, re.M)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines[1:]]


# ---- Headings and links --------------------------------------------------------------


@pytest.mark.parametrize("page", reference.paths(), ids=lambda page: page.stem)
def test_a_heading_has_one_name_wherever_it_is_shown(page):
    """GitHub writes names of headings in small letters, JupyterLab as they are."""
    names = reference.anchors(page)
    assert [name for name in names if not re.fullmatch(r"[a-z0-9_-]+", name)] == []
    assert len(set(names)) == len(names)
    assert page.read_text().startswith("# ")


@pytest.mark.parametrize("page", reference.paths(), ids=lambda page: page.stem)
def test_links_of_a_page_arrive(page):
    for link in LINK.findall(page.read_text()):
        name, _, anchor = link.partition("#")
        if link.startswith("https://"):
            continue
        target = page.parent / name if name else page
        assert target.resolve().exists() or is_source(target)
        assert not anchor or anchor in reference.anchors(target)


def is_source(notebook):
    """Whether a notebook is to be rendered from a source that is there."""
    return (notebook.parent / "source" / f"{notebook.stem}.py").exists()


def test_every_page_is_there():
    assert [page.stem for page in reference.paths()] == list(reference.NAMES)


@pytest.mark.parametrize("page", reference.paths(), ids=lambda page: page.stem)
def test_every_formula_of_a_page_is_drawn(page):
    prose = nbformat.v4.new_markdown_cell(reference.handed_out(page))
    text = pages.page(nbformat.v4.new_notebook(cells=[prose])).partition("<main>")[2]
    assert "$" not in text
    assert not re.search(r"\\[a-z]", text)


def test_links_are_written_for_where_the_page_lies():
    prose = "[a](../docs/glossary.md#q) [b](../docs/grading.md) <a href='../docs/sources.md'>c</a>"
    assert reference.beside_lessons(prose) == (
        "[a](glossary.md#q) [b](../docs/grading.md) <a href='sources.md'>c</a>"
    )
    assert reference.beside_lessons("[a](../../docs/formulas.md)") == "[a](../formulas.md)"
    assert "[00](00_start_here.ipynb)" in reference.handed_out(GLOSSARY)
    assert "../" not in reference.handed_out(GLOSSARY)


# ---- The glossary --------------------------------------------------------------------


def test_the_glossary_is_in_order_short_and_says_where_a_word_first_stands():
    text = GLOSSARY.read_text()
    entries = re.findall(r"^## ([^\n]+)\n\n(.*?)(?=\n\n## |\n*\Z)", text, re.M | re.S)
    names = [name for name, _ in entries]
    assert names == sorted(names, key=str.lower)
    assert len(names) == text.count("\n## ")
    for name, entry in entries:
        told, _, first = entry.replace("\n", " ").partition(" First in ")
        assert (name, len(told.split()) <= 65) == (name, True)
        assert re.match(r"\[\d\d\]\(\.\./notebooks/\d\d_\w+\.ipynb\)", first), name


# ---- The formula sheet ---------------------------------------------------------------


def test_lessons_lead_to_the_formulas_that_they_use():
    sections = re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", FORMULAS.read_text(), re.M | re.S)
    missing = []
    for name, text in sections:
        link = f"../docs/formulas.md#{name.replace(' ', '-')})"
        used_in = re.findall(r"notebooks/(\d\d_\w+)\.ipynb", text)
        assert used_in, f"{name}: in which lesson?"
        written = [(sources.ROOT / f"notebooks/source/{one}.py").read_text() for one in used_in]
        missing += [(one, link) for one, it in zip(used_in, written, strict=True) if link not in it]
    assert missing == []


def test_initialisations_have_the_variances_of_the_library():
    table = rows("initialisations")
    assert {row[0] for row in table} == set(initialize.INITIALIZERS) - {"lsuv"}
    for name, formula, variance, source in table:
        written = formula.replace("3 fan_in", "3 * fan_in")
        for fan_in, fan_out in ((50, 100), (100, 50)):
            given = eval(written, {"fan_in": fan_in, "fan_out": fan_out})
            assert given == pytest.approx(initialize.variance(name, fan_in, fan_out))
        assert float(variance) == pytest.approx(128 * initialize.variance(name, 128, 128), abs=5e-4)
        known = initialize.INITIALIZERS[name].source
        assert re.findall(r"\d{4}|eq\. \d+", source) == re.findall(r"\d{4}|eq\. \d+", known)


def test_factors_and_critical_variances_are_those_of_the_theory():
    table = rows("variance and chi")
    assert len(table) == 9
    for name, factor, critical in table:
        point = theory.fixed_point(name, 1 / 3, 1 / (3 * 128))
        assert f"{point.norm_factor:.3f}" == factor
        if critical == "none":
            with pytest.raises(ValueError, match="no weight_var"):
                theory.critical_weight_var(name)
        else:
            assert float(critical) == pytest.approx(theory.critical_weight_var(name), rel=2e-3)
    (tanh,) = re.findall(
        r"\$\\sigma_b\^2 = 0.05\$ the critical .* is ([\d.]+)\.", FORMULAS.read_text()
    )
    assert float(tanh) == pytest.approx(theory.critical_weight_var("tanh", 0.05), abs=1e-3)


def test_norms_have_the_factors_of_the_theory():
    table = rows("norms")
    assert len(table) == 5
    for name, batch, layer in table:
        assert f"{theory.norm_factor(name, 'batch'):.3f}" == batch
        assert f"{theory.norm_factor(name, 'layer'):.3f}" == layer
        assert theory.norm_factor(name, "rms") == theory.norm_factor(name, "layer")
    assert theory.norm_factor("relu", "batch") == pytest.approx((np.pi / (np.pi - 1)) ** 0.5)
    assert theory.fixed_point("selu", 1.0).norm_factor == pytest.approx(1.035, abs=5e-4)


def test_random_weights_multiply_the_square_of_a_norm_by_their_variance():
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    weights = draw(400, 60, 30) * 0.2  # 400 matrices from 30 inputs to 60 units
    delta = draw(60)
    squares = (weights.mT @ delta).square().sum(dim=1)
    assert squares.mean() / delta.square().sum() == pytest.approx(30 * 0.2**2, rel=0.05)


def test_a_relu_unit_contributes_with_variance_five():
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(400_000, generator=generator, dtype=torch.float64)
    on = torch.randint(0, 2, g.shape, generator=generator)
    share = 2 * g.square() * on
    assert share.mean() == pytest.approx(1, rel=0.02)
    assert share.var() == pytest.approx(5, rel=0.05)


def test_the_kernel_is_that_of_the_theory():
    for c in (-0.5, 0.0, 0.3, 0.9):
        angle = np.arccos(c)
        written = 2 * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        assert theory.correlation_map("relu", 2.0, c=c) == pytest.approx(written, abs=1e-6)


def test_adam_does_as_the_sheet_says():
    gradients = ((1e-3, 1e-8, -2.0), (-0.5, 1e-8, -3.0), (0.0, 0.0, 1.0))
    weight = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([weight], lr=0.1)
    m = v = expected = torch.zeros(3, dtype=torch.float64)
    for step, gradient in enumerate(gradients, start=1):
        g = torch.tensor(gradient, dtype=torch.float64)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        corrected_m, corrected_v = m / (1 - 0.9**step), v / (1 - 0.999**step)
        expected = expected - 0.1 * corrected_m / (corrected_v.sqrt() + 1e-8)
        weight.grad = g
        adam.step()
    assert torch.allclose(weight.detach(), expected, rtol=1e-9)
    written = FORMULAS.read_text().partition("## adam\n")[2].partition("\n## ")[0]
    for formula in (
        r"m_t = \beta_1 m_{t-1} + (1-\beta_1)\,g_t",
        r"v_t = \beta_2 v_{t-1} + (1-\beta_2)\,g_t^2",
        r"\Delta w = -\eta\,\frac{m_t/(1-\beta_1^t)}{\sqrt{v_t/(1-\beta_2^t)} + \varepsilon}",
        r"$\beta_1 = 0.9$, $\beta_2 = 0.999$ and $\varepsilon = 10^{-8}$",
    ):  # as computed above
        assert formula in written


def test_float32_ends_and_rounds_where_the_sheet_says():
    one = torch.tensor(1.0)
    assert one + 2.0**-25 == one
    assert one + 1.001 * 2.0**-24 > one
    assert torch.tensor(2.0**-149) > 0
    assert torch.tensor(2.0**-149) / 2 == 0


def test_blocks_and_paths_follow_the_sheet():
    blocks, rho = 20, 1 / 6
    assert theory.residual_trajectory("relu", 2.0, blocks=blocks).q[-1] == pytest.approx(
        2.0**blocks
    )
    scaled = theory.residual_trajectory("relu", 2.0, blocks=blocks, branch=blocks**-0.5)
    assert scaled.q[-1] == pytest.approx((1 + 1 / blocks) ** blocks)
    line = (np.poly1d([rho, 1]) ** blocks).coef[::-1]
    shares = line / (1 + rho) ** blocks
    assert shares.sum() == pytest.approx(1)
    assert shares @ np.arange(blocks + 1) == pytest.approx(blocks * rho / (1 + rho))


# ---- The sources ---------------------------------------------------------------------


def cited(path):
    """The addresses in the references of a lesson."""
    prose = [
        cell.source for cell in lessons.learner_view(path).cells if cell.cell_type == "markdown"
    ]
    references = "\n\n".join(prose).partition("## References")[2]
    return re.findall(r"\((https://[^)\s]+)\)", references)


@pytest.mark.parametrize("path", lessons.source_files(), ids=lambda path: path.stem)
def test_every_paper_of_a_lesson_is_among_the_sources(path):
    known = LINK.findall(SOURCES.read_text())
    assert cited(path)
    assert [address for address in cited(path) if address not in known] == []


def test_the_articles_have_names_and_no_numbers():
    text = SOURCES.read_text()
    articles = ("answer", "study notes", "encyclopaedia entry", "blog post", "chapter")
    assert all(f"\n## the {name}\n" in text for name in articles)
    assert not re.search(r"(?<![\d,])00\d\b", text)
