import nbformat
import pytest

from helpers.lessons import reference
from tests import lesson_terms

LINK = "[decade](../docs/glossary.md#decade)"


def prose(*sources):
    return [nbformat.v4.new_markdown_cell(source) for source in sources]


def code(source):
    return nbformat.v4.new_code_cell(source)


def said(*lessons, only=()):
    """Complaints about lessons 00, 01, ..., each a list of cells."""
    notebooks = {
        f"{number:02}_lesson": nbformat.v4.new_notebook(cells=cells)
        for number, cells in enumerate(lessons)
    }
    return list(lesson_terms.complaints(notebooks, only))


def good():
    """Two lessons that use a word only after they led to it."""
    first = [*prose("# 00 · What?", f"It loses a {LINK}."), code("print('decades')")]
    return first, prose(
        "# 01 · Why?", f"Two {LINK.replace('[decade', '[decades')} more.", "Decades!"
    )


def test_a_word_with_a_link_at_its_first_use_is_left_alone():
    assert said(*good()) == []


def test_the_first_use_in_each_lesson_needs_its_link():
    first, second = good()
    first[0].source += " Decades."
    assert said(first, second) == [
        "00 cell 1 uses 'Decades' before any link to docs/glossary.md#decade"
    ]
    first, second = good()
    second[1].source = "Two decades more."
    second[2].source = f"A {LINK}."
    words = ["01 cell 2 uses 'decades' before any link to docs/glossary.md#decade"]
    assert said(first, second) == words
    assert said(first, second, only=["01"]) == words
    assert said(first, second, only=["00"]) == []


def test_a_link_to_another_entry_does_not_help():
    first, second = good()
    for wrong in ("#decades", "#delta", "", "#decade-x"):
        first[1].source = f"It loses a {LINK.replace('#decade', wrong)}."
        assert len(said(first, second)) == 1


@pytest.mark.parametrize("shown", ["print('a decade')", 'x = f"{y} decades"', 'f(label="decades")'])
def test_code_does_not_show_a_word_before_the_text(shown):
    first, second = good()
    first.insert(1, code(shown))
    (words,) = said(first, second)
    assert words.endswith("in its code before cell 3 explains it")
    assert words.startswith("00 cell 2 uses 'decade")
    second.insert(0, code(shown))  # it is known by then
    assert said(good()[0], second) == []
    assert said([code(shown)]) == [words.replace("cell 2", "cell 1").replace("cell 3", "any cell")]


def test_names_and_comments_in_code_are_no_words():
    first, second = good()
    first.insert(1, code("decades = ledger.decades  # in decades\nx = d['de' 'cade']"))
    assert len(said(first, second)) == 1
    first[1].source = "decades = found.decades  # in decades"
    assert said(first, second) == []


def test_titles_of_other_places_are_no_uses():
    first, second = good()
    first[0].source += (
        "\n\nAbout 20 minutes: [A decade](#A-decade) 5 · $x$ decades 3.\n\n"
        "Next: [01 · Which decade?](01_why.ipynb#a). See [decades](https://x.org/decade) and"
        " [it](01_decade.ipynb)."
    )
    assert said(first, second) == []
    first[0].source += " <b>Decades</b>"
    assert len(said(first, second)) == 1


def test_a_line_may_end_within_a_word_of_two_words():
    said_in_two_lines = prose("# 00 · What?", "It is a residual\nblock.")
    assert said(said_in_two_lines) == [
        "00 cell 2 uses 'residual block' before any link to docs/glossary.md#residual-block"
    ]


def test_a_link_may_stand_in_what_is_folded():
    folded = '<details><summary>Why</summary>A <a href="../docs/glossary.md#decade">decade</a>'
    assert said(prose(folded + "</details>")) == []


def test_everyday_words_need_their_link_once():
    batch = "One [batch](../docs/glossary.md#batch)."
    assert said(prose(batch), prose("A batch.")) == []
    assert said([code("f('batch')"), *prose(batch)]) == []
    assert said(prose("A batch."), prose(batch)) == [
        "00 cell 1 uses 'batch' before any link to docs/glossary.md#batch"
    ]


MEANT = {
    "accumulation": ["gradient accumulation"],
    "batch-norm": ["batch norm", "BatchNorm", "batch normalisation"],
    "chi": ["Chi is 1", r"$\sqrt\chi$", r"$\chi_1$"],
    "critical": ["critical weights", "at criticality"],
    "dead-unit": ["a dead ReLU", "dead units", "the dying ReLU"],
    "delta": ["deltas", r"$\delta_l$"],
    "drift": ["drifts=True", "a number that drifts", "a ≈ b"],
    "fan_in": ["`fan_in`", r"$1/\text{fan\_in}$", "fan-in"],
    "gain": ["a gain of 4", "the gain", "gains of 2", "`gain`", "gain 1.02 is", "gain $g$"],
    "he": ["He's weights", "He initialisation", "Kaiming"],
    "kernel": ["arc-cosine", "the kernel of two inputs"],
    "lecun": ["LeCun's rule", "`lecun`"],
    "moment": ["the second moment", "moments of a Gaussian"],
    "order-and-chaos": ["chaotic", "from order to chaos", "the ordered phase", "(**order**)"],
    "path": ["paths", "a path of length 3"],
    "q": ["$q$", r"$\sqrt q\,z$", "$q_l$", "`q`"],
    "saturated": ["saturates", "saturation"],
    "skip": ["skips", "a skip connection", "residual connections"],
    "slope": ["the slope of the sigmoid", "slopes"],
    "update-ratio": ["update ratios"],
    "xavier": ["Xavier", "Glorot's rule"],
}
ORDINARY = {
    "batch": ["batch norm", "BatchNorm"],
    "chi": ["child", r"\chiral", "machine"],
    "critical": ["it is critical to know"],
    "dead-unit": ["a dead network"],
    "decade": ["just a decade ago"],
    "delta": [r"\deltab"],
    "drift": ["a product of random numbers drifts"],
    "edge-of-chaos": ["the edge"],
    "gain": ["a gain in accuracy", "networks gain", "again", "nothing is gained"],
    "he": ["he's", "He et al. 2015", "Zhang and He 2018"],
    "kernel": ["restart the kernel", "convolution kernels"],
    "lecun": ["LeCun et al. 1998", "LeCun, Bottou"],
    "moment": ["at the moment"],
    "order-and-chaos": ["in order to", "edge of chaos", "their order"],
    "path": ["the path of a file"],
    "q": ["Q", "question", r"\qquad", "sq", "iq_max"],
    "skip": ["skip this", "skip to the end"],
    "slope": ["its slope is not fitted", "the slope of the line"],
}


@pytest.mark.parametrize("term", MEANT)
def test_a_term_is_seen_as_it_is_written(term):
    assert [words for words in MEANT[term] if not lesson_terms.used(words, term)] == []


@pytest.mark.parametrize("term", ORDINARY)
def test_an_ordinary_word_is_left_alone(term):
    assert [words for words in ORDINARY[term] if lesson_terms.used(words, term)] == []


def test_every_term_of_the_glossary_is_looked_for():
    page = reference.paths()[0]
    assert list(lesson_terms.TERMS) == reference.anchors(page)
    assert set(lesson_terms.TERMS) > lesson_terms.EVERYDAY
    for term in set(lesson_terms.TERMS) - set(MEANT):
        assert lesson_terms.used(term, term) or lesson_terms.used(term.replace("-", " "), term)


def test_where_the_glossary_is_wrong_is_told():
    notebooks = {
        name: nbformat.v4.new_notebook(cells=cells)
        for name, cells in zip(("00_a", "01_b"), good(), strict=True)
    }
    entry = "## decade\n\nTen. First in\n[00](../notebooks/00_a.ipynb).\n"
    assert list(lesson_terms.misplaced(notebooks, entry)) == []
    assert list(lesson_terms.misplaced(notebooks, entry.replace("[00]", "[01]"))) == [
        "the glossary says that 'decade' first stands in 01; it is 00"
    ]
    assert list(lesson_terms.misplaced({}, entry)) == [
        "the glossary says that 'decade' first stands in 00; it is no lesson"
    ]


def test_the_glossary_says_where_words_first_stand():
    paths = lesson_terms.lessons.paths()
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in paths}
    glossary = reference.paths()[0].read_text(encoding="utf-8")
    assert list(lesson_terms.misplaced(notebooks, glossary)) == []


def test_the_program_names_lesson_cell_and_word(tmp_path, monkeypatch, capsys):
    path = tmp_path / "00_start.ipynb"
    monkeypatch.setattr(lesson_terms.lessons, "paths", lambda names=(): [path])
    nbformat.write(nbformat.v4.new_notebook(cells=good()[0]), path)
    assert not lesson_terms.main(["00"])
    nbformat.write(nbformat.v4.new_notebook(cells=prose("A decade.")), path)
    assert lesson_terms.main(["00"])
    words = "00 cell 1 uses 'decade' before any link to docs/glossary.md#decade"
    assert capsys.readouterr().out.split("\n") == ["", words, ""]
    assert lesson_terms.main([])
    assert "the glossary says that 'chi' first" in capsys.readouterr().out
