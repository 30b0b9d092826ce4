"""Turn a lesson's source into the notebooks that people open.

A lesson is written once, in ``notebooks/source/NN_topic.py`` (jupytext's percent format).
From it come the rendered notebook ``notebooks/NN_topic.ipynb`` (exercises unsolved,
executed, outputs stored), the learner's own copy of that, and the worked version.

A source without a number, ``notebooks/source/topic.py``, is an experiment: a notebook that
takes minutes, ``notebooks/experiments/topic.ipynb``. It is executed only when it is named.

Handed on from here is what finds, reads and executes notebooks. Used by their names are
``publish``, which keeps the rendered notebooks equal to their sources, ``copies``, which
brings notebooks into folders of learners and teachers, ``reference``, the glossary and the other
pages beside the lessons, ``times``, which counts minutes, ``kinds``, which says what a cell is
for, and ``sources.ROOT``. nbconvert uses
``alt_text``, which brings the words of figures into exported pages.
"""

from helpers.lessons.run import Run, execute
from helpers.lessons.sources import experiments, notebooks, paths, source_files
from helpers.lessons.views import learner_view, worked_view

__all__ = [
    "Run",
    "execute",
    "experiments",
    "learner_view",
    "notebooks",
    "paths",
    "source_files",
    "worked_view",
]
