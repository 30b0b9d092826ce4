"""Start a process in milliseconds: fork it from one that has imported everything.

``process`` starts and ends such processes; ``preload`` is what each of them has imported;
``engine`` gives them to papermill, ``kernel`` to Jupyter (which finds it in ``jupyter/``).
Importing this package is cheap: it imports none of the last three.
"""

from helpers.warm.process import available, processors, running

__all__ = ["available", "processors", "running"]
