"""What learners meet in JupyterLab itself: a server, a kernel and a browser.

Needs Playwright and Chromium, which the course does not install:

    python -m pip install --target build/playwright playwright
    PYTHONPATH=build/playwright .venv/bin/python -m pytest tests/test_browser.py
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import nbformat
import pytest
from waiting import wait_for

from helpers import lessons
from helpers.lessons import sources

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if not CHROMIUM:
    pytest.skip("no Chromium on this machine", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.browser

FIGURE = """\
from helpers import plots

plots.use_style()
ax = plots.layer_profile({"sigmoid": [1e-6, 1e-3, 1.0]}, title="It falls")
plots.show(ax)"""
IMAGE = ".jp-RenderedImage img"
DESCRIBED = "It falls: gradient norm (delta) (log) against layer"


NOTEBOOKS = {"figure": [FIGURE]}  # the code cells of each


@contextmanager
def server(folder):
    """JupyterLab with the settings of `course lab`; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.root_dir={folder}", f"--ServerApp.port={port}"]
    command += ["--IdentityProvider.token=", "--ServerApp.port_retries=0"]
    settings = dict.fromkeys(
        ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH"), str(sources.ROOT / ".jupyter")
    )
    clone = {"PYTHONPATH": str(sources.ROOT), "HOME": str(folder)}
    process = subprocess.Popen(
        command,
        env={**os.environ, **settings, **clone},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"

    def answers():
        try:
            with urllib.request.urlopen(f"{address}/api/status", timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None

    try:
        wait_for(answers, process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser in JupyterLab on a folder with the notebooks, executed."""
    folder = tmp_path_factory.mktemp("learner")
    views = [
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        for cells in NOTEBOOKS.values()
    ]
    for name, run in zip(NOTEBOOKS, lessons.execute(views), strict=True):
        assert run.failure == ""
        run.notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(run.notebook, folder / f"{name}.ipynb")
    with server(folder) as address, playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = chromium.new_context(base_url=address)
        context.set_default_timeout(60_000)
        yield context
        chromium.close()


@contextmanager
def opened(browser, name):
    """A page on which one of the notebooks has been opened."""
    page = browser.new_page()
    page.goto(f"/lab/tree/{name}.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    yield page
    page.close()


def run_all(page):
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells >> nth=0")


def test_a_figure_is_described_on_the_screen_stored_and_drawn_anew(browser):
    with opened(browser, "figure") as page:
        picture = page.wait_for_selector(IMAGE)
        assert picture.get_attribute("alt").startswith(DESCRIBED)
        assert picture.bounding_box()["width"] == 608
        assert picture.evaluate("image => image.naturalWidth") == 1216
        picture.evaluate("image => image.classList.add('stored')")
        run_all(page)
        fresh = page.wait_for_selector(f"{IMAGE}:not(.stored)")
        assert fresh.get_attribute("alt").startswith(DESCRIBED)
        assert page.get_by_role("img", name=DESCRIBED).count() == 1


def test_the_page_that_jupyterlab_exports_describes_its_figures(browser):
    with opened(browser, "figure") as page:
        page.goto("/nbconvert/html/figure.ipynb", referer=page.url)
        assert page.get_by_role("img", name=DESCRIBED).count() == 1
