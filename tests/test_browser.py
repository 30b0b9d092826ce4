"""What learners see: lessons in the real JupyterLab, in a real browser, wide and narrow."""

import os
import re
import shutil
import urllib.request
from contextlib import contextmanager

import nbformat
import pytest
from commands import free_port, started
from waiting import CEILING, wait_for

from helpers import exercises, lessons
from helpers.lessons import pages, reference, sources

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
if not CHROMIUM:
    pytest.skip("no Chromium here: lessons are not tried in a browser", allow_module_level=True)
from playwright.sync_api import expect, sync_playwright  # noqa: E402 - of no use without

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DESKTOP, PHONE = (1280, 800), (390, 844)
START = "00_start_here.ipynb"
# What the first lesson has not: a slider, and two trainings in one cell.
SMALL = """\
# %% [markdown]
# # 90 · What moves?
#
# A [decade](../docs/glossary.md#decade), and [its end](#What,-then?).

# %% [markdown]
# **Question.** Which of these changes the factor per layer?
#
# <details><summary>The batch size</summary>Not this: a mean of factors is a factor.</details>
# <details><summary>The gain</summary>Right. Each matrix is longer by $\\sigma_w$.</details>

# %% tags=["setup"]
import time

from torch.nn import functional

from helpers import data, models, plots, train

split = data.digits()


def slow(outputs, targets):
    time.sleep(0.01)
    return functional.cross_entropy(outputs, targets)


# %%
for width in train.each([16, 32]):
    net = models.build(models.Setting(2, width), split.features, split.classes)
    train.fit(net, split, train.Recipe("sgd", rate=0.1, steps=100), loss_fn=slow)


# %%
def draw(depth, activation, flat_start):
    factor = 0.5 if activation == "sigmoid" else 0.9
    norms = {activation: [factor**layer for layer in range(depth, 0, -1)]}
    return plots.layer_profile(norms, float32_zone=False, title=f"{depth} layers")


plots.sliders(draw, depth=(2, 50, 1, 30), activation=["sigmoid", "tanh"], flat_start=True)

# %% [markdown]
# ## What, then?
"""
FIGURE = """\
from helpers import plots

plots.use_style()
ax = plots.layer_profile({"sigmoid": [1e-6, 1e-3, 1.0]}, title="It falls")
plots.show(ax)"""
DESCRIBED = "It falls: gradient norm (delta) (log) against layer"
WRONG = """\
def decades_lost(first, last):
    return math.log(last / first)
"""
RIGHT = WRONG.replace("log(", "log10(")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where a learner's copy of a small course is open in JupyterLab."""
    root = tmp_path_factory.mktemp("course")
    source = root / "notebooks" / "source" / "90_small.py"
    source.parent.mkdir(parents=True)
    source.write_text(SMALL, encoding="utf-8")
    small = lessons.learner_view(source)
    nbformat.write(small, root / "notebooks" / "90_small.ipynb")
    shutil.copy(sources.ROOT / "notebooks" / START, root / "notebooks")
    shutil.copytree(sources.ROOT / ".jupyter", root / ".jupyter")
    (root / "docs").mkdir()
    for path in reference.paths():
        shutil.copy(path, root / "docs")
    (root / "my_course").mkdir()
    nbformat.write(executed(FIGURE), root / "my_course" / "figure.ipynb")
    port = free_port()
    here = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(f"{here}/api", timeout=10).read()
        except OSError:
            return b""

    options = ["--no-browser", "--IdentityProvider.token=", "--ServerApp.password="]
    surroundings = {
        "JUPYTER_PORT": str(port),
        "HOME": str(root),
        "IPYTHONDIR": str(root / "ipython"),
    }
    # Bars are shown, and a claim that fails is told: tests hide and forbid that elsewhere.
    hidden = ("TQDM_DISABLE", "COURSE_CLAIMS")
    with (
        (root / "log").open("w") as log,
        started(root, "lab", *options, output=log, without=hidden, **surroundings) as process,
    ):
        wait_for(answers, process)
        yield here


def executed(code):
    """A notebook of one cell, with what the cell shows."""
    (run,) = lessons.execute([nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])])
    assert run.failure == ""
    names = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    run.notebook.metadata["kernelspec"] = names
    return run.notebook


@pytest.fixture(scope="module")
def chromium():
    expect.set_options(timeout=1000 * CEILING)
    # Root may start Chromium only without its sandbox.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def opened(address, chromium):
    """Open a lesson; at the end nothing was complained of, and nothing asked of the network."""

    @contextmanager
    def open_lesson(name, size):
        context = chromium.new_context(viewport=dict(zip(("width", "height"), size, strict=True)))
        context.set_default_timeout(1000 * CEILING)
        page = context.new_page()
        complaints, elsewhere = [], []
        page.on("console", lambda told: told.type == "error" and complaints.append(told.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: local(asked.url) or elsewhere.append(asked.url))
        page.goto(f"{address}/lab/tree/{name}?reset")
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
        yield page
        context.close()
        assert (complaints, elsewhere) == ([], [])

    def local(url):
        return url.startswith((address, "data:", "blob:"))

    return open_lesson


def choose(page, menu, entry):
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=entry, exact=True).click()


@contextmanager
def run_all(page):
    """Run every cell by the menu; at the end of the block wait for the last."""
    choose(page, "Run", "Run All Cells")
    waiting = page.locator(".jp-InputPrompt").get_by_text("[*]:")
    expect(waiting.first).to_be_attached()
    yield
    expect(waiting).to_have_count(0)


def cell(page, text):
    return page.locator(".jp-CodeCell").filter(has_text=text)


def parameters(name):
    """The source of the cell of parameters."""
    notebook = nbformat.read(sources.ROOT / "notebooks" / name, as_version=4)
    tagged = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    return next(tagged).source


def hint(exercise, mistake):
    known = exercises.ALL[exercise].misconceptions
    return next(one.hint for one in known if one.name == mistake)


def write(page, old, new):
    """Write something else into the cell that has a text."""
    cell(page, old).locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.insert_text(new)


def width(place):
    return place.bounding_box()["width"]


def outputs(page, kind):
    return page.locator(f'.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.{kind}"]')


# Every value and word of every bar that is on the page, and the most bars there were at a time.
WATCH = """() => {
  window.bars = { values: [], words: [], most: 0 };
  new MutationObserver(() => {
    const found = [...document.querySelectorAll("progress")];
    bars.most = Math.max(bars.most, found.length);
    bars.values.push(...found.map((bar) => bar.value));
    bars.words.push(...found.map((bar) => bar.parentElement.textContent.trim()));
  }).observe(document.body, { subtree: true, childList: true });
}"""


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_fresh_lesson_can_be_read_and_its_prose_cannot_be_changed(opened, size):
    with opened(START, size) as page:
        title = page.get_by_role("heading", name="00 · ")
        expect(title).to_be_visible()
        prose = page.locator(".jp-MarkdownCell")
        assert width(prose.first) > 0.7 * size[0] - 50
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        wide = "cells => cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).length"
        assert prose.locator(".jp-RenderedMarkdown").evaluate_all(wide) == 0
        expect(page.locator("mjx-container").first).to_be_attached()

        assert set(page.locator(".jp-CodeCell .jp-InputPrompt").all_text_contents()) == {"[ ]:"}
        expect(page.locator(".jp-OutputArea-output")).to_have_count(0)

        before = prose.first.text_content()
        title.dblclick()
        page.keyboard.press("Enter")
        page.keyboard.insert_text("by accident")
        expect(title).to_be_visible()
        assert prose.first.text_content() == before

        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        wait_for(lambda: 200 < width(prose.first) < PHONE[0])


def test_a_lesson_at_another_parameter_with_a_wrong_answer_and_then_a_right_one(opened):
    with opened(START, DESKTOP) as page:
        given = parameters(START)
        depth = re.search(r"^depth = \d+$", given, re.MULTILINE)[0]
        write(page, depth, given.replace(depth, "depth = 10"))
        write(page, "def decades_lost", WRONG)
        page.locator(".jp-MarkdownCell").first.click()
        view = page.locator(".jp-WindowedPanel-outer")
        before = view.evaluate("view => view.scrollTop = 100")
        with run_all(page):
            assert view.evaluate("view => view.scrollTop") == before
        assert view.evaluate("view => view.scrollTop") == before
        expect(page.locator(".jp-Cell").first).to_have_class(re.compile("jp-mod-active"))

        expect(outputs(page, "stderr")).to_have_count(0)
        expect(outputs(page, "error")).to_have_count(0)
        figures = cell(page, "plots.show(").count()
        expect(page.locator(".jp-OutputArea-output img")).to_have_count(figures)
        assert "not at your depth of 10: " in view.text_content()
        assert "Lesson 00: 0 of " in view.text_content()
        verdict = cell(page, "exercises.check(decades_lost)")
        assert "not yet" in verdict.text_content()
        told = " ".join(verdict.text_content().split())  # lines are broken anywhere
        assert hint("decades_lost", "natural logarithm") in told

        write(page, "def decades_lost", RIGHT)
        page.keyboard.press("Shift+Enter")
        page.keyboard.press("Shift+Enter")
        expect(verdict).to_contain_text("correct")


def test_a_question_opens_on_a_click_and_a_word_leads_to_its_entry(opened):
    with opened("90_small.ipynb", DESKTOP) as page:
        options = page.locator(".jp-RenderedMarkdown details")
        right = options.filter(has_text="The gain")
        expect(options).to_have_count(2)
        for opened_now in (1, 0):
            right.locator("summary").click()
            expect(page.locator(".jp-RenderedMarkdown details[open]")).to_have_count(opened_now)
            expect(right.locator("mjx-container")).to_be_visible(visible=bool(opened_now))

        page.set_viewport_size({"width": 1280, "height": 300})
        page.get_by_role("link", name="its end").click()
        expect(page.get_by_role("heading", name="What, then?")).to_be_in_viewport()

        page.set_viewport_size(dict(zip(("width", "height"), DESKTOP, strict=True)))
        page.get_by_role("link", name="decade").click()
        glossary = page.locator(".jp-MarkdownViewer")
        expect(glossary.get_by_role("heading", name="decade")).to_be_in_viewport()
        page.locator(".jp-DirListing-item").get_by_text("formulas.md").dblclick()
        expect(glossary.get_by_role("heading", name="Formula sheet")).to_be_visible()
        expect(page.locator(".jp-FileEditor")).to_have_count(0)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_bar_and_a_slider_move(opened, size):
    with opened("90_small.ipynb", size) as page:
        page.evaluate(WATCH)
        with run_all(page):
            pass
        bars = page.evaluate("bars")
        assert bars["most"] == 1
        assert len(set(bars["values"])) > 3
        assert bars["values"] == sorted(bars["values"])
        for words in bars["words"]:
            assert re.fullmatch(r"[12] of 2: step \d+ of 100, \d+:\d\d left", words)
        expect(page.locator("progress")).to_have_count(0)

        def picture(depth):
            return page.get_by_role("img", name=f"{depth} layers: ")

        slider = page.get_by_role("slider", name="depth", exact=True)
        expect(picture(30)).to_be_attached()
        expect(page.get_by_label("depth, number")).to_have_text("30")
        expect(page.get_by_label("flat start")).to_be_checked()
        slider.press("ArrowRight")
        expect(picture(31)).to_be_attached()
        page.get_by_label("activation").select_option("tanh")
        expect(page.get_by_role("img", name="tanh from")).to_be_attached()
        page.get_by_role("button", name="Reset").click()
        expect(picture(30)).to_be_attached()
        assert slider.get_attribute("aria-valuenow") == "30.0"
        assert page.get_by_label("activation").input_value() == "sigmoid"

        page.locator(".jp-MarkdownCell").first.click()
        page.keyboard.press("ControlOrMeta+S")
        expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
        choose(page, "Kernel", "Shut Down Kernel")
        expect(page.get_by_text("No Kernel").first).to_be_visible()
        page.reload()  # as on another day: with a new kernel
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
        expect(picture(30)).to_be_attached()
        expect(outputs(page, "stderr")).to_have_count(0)
        expect(outputs(page, "error")).to_have_count(0)


def test_a_figure_is_described_stored_and_drawn_anew(opened):
    with opened("figure.ipynb", DESKTOP) as page:
        picture = page.locator(".jp-RenderedImage img")
        expect(picture).to_have_attribute("alt", re.compile(f"^{re.escape(DESCRIBED)}"))
        assert picture.bounding_box()["width"] == 608
        assert picture.evaluate("image => image.naturalWidth") == 1216
        picture.evaluate("image => image.classList.add('stored')")
        with run_all(page):
            pass
        fresh = page.locator(".jp-RenderedImage img:not(.stored)")
        expect(fresh).to_have_attribute("alt", re.compile(f"^{re.escape(DESCRIBED)}"))
        expect(page.get_by_role("img", name=DESCRIBED)).to_have_count(1)


def test_a_page_to_print_needs_no_network(chromium, tmp_path):
    list(pages.export(tmp_path, ["01"]))
    context = chromium.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}, offline=True)
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda told: complaints.append(told.text))
    page.goto((tmp_path / "01_theory.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    drawn = page.locator("math").evaluate_all("all => all.map((one) => one.clientHeight)")
    assert len(drawn) > 20
    assert all(height > 5 for height in drawn)
    assert all(page.locator("img").evaluate_all("all => all.map((one) => one.alt)"))
    printed = page.pdf(format="A4")
    assert 5 < printed.count(b"/Type /Page\n") < 30
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
