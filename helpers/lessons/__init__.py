"""Turn a lesson's source into the notebooks that people open."""

from helpers.lessons.publish import (
    ROOT,
    Run,
    execute,
    experiments,
    learner_copy,
    learner_view,
    lessons,
    notebooks,
    readme_pictures,
    render,
    solutions,
    sources,
    stale,
    worked_view,
)

__all__ = [
    "ROOT",
    "Run",
    "execute",
    "experiments",
    "learner_copy",
    "learner_view",
    "lessons",
    "notebooks",
    "readme_pictures",
    "render",
    "solutions",
    "sources",
    "stale",
    "worked_view",
]
