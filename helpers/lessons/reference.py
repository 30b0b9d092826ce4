"""The pages beside the lessons: glossary, formula sheet and sources.

They stand in ``docs``, where lessons link to them. Whoever learns with a copy has them in the
folder of the lessons, so that links in both directions are written anew there.
"""

import re
from pathlib import Path

from helpers.lessons import sources

NAMES = ("glossary", "formulas", "sources")

_TO_PAGE = re.compile(rf"\.\./docs/({'|'.join(NAMES)})\.md(?=[#\"')\s])")
_TO_LESSON = re.compile(r"(?<=\]\()\.\./notebooks/")
_HEADING = re.compile(r"^##+ (.+?) *$", re.MULTILINE)


def paths() -> list[Path]:
    """Return the pages that the course has, as paths under ``docs``."""
    pages = (sources.ROOT / "docs" / f"{name}.md" for name in NAMES)
    return [page for page in pages if page.exists()]


def anchors(page: Path) -> list[str]:
    """Return what a link to a heading of a page may have after its ``#``, in their order.

    Args:
        page: One of ``paths``.
    """
    return [heading.replace(" ", "-") for heading in _HEADING.findall(page.read_text("utf-8"))]


def beside_lessons(prose: str) -> str:
    """Return the prose of a lesson or an experiment with links to pages that lie beside lessons."""
    return _TO_PAGE.sub(r"\1.md", prose)


def handed_out(page: Path) -> str:
    """Return a page as it lies beside the lessons.

    Args:
        page: One of ``paths``.
    """
    return _TO_LESSON.sub("", page.read_text("utf-8"))
