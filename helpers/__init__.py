"""The course library: theory, instruments and checks for gradients that vanish or explode.

A house with four storeys. Imports point down, as the contract in ``pyproject.toml`` says,
and nothing is imported here. A name with a stroke is a package: its ``__init__`` hands its
public names on, and its files do one thing each. ``docs/architecture.md`` walks through.

Command: what people type
    cli/         the ``course`` command: lessons, sweeps, grading

Operations: what runs, publishes and grades notebooks; no lesson imports it
    grading/     submissions to marks: collect/ them, run them in the sandbox/, hand_back/ the marks
    sweeps/      one notebook at every cell of a grid, here or on a cluster; the page is in report/
    lessons/     a lesson's source to the notebooks that people open
    warm/        processes that have imported everything, and fork: for notebooks and grading

Laboratory: what lessons import, and what students get
    exercises/   each exercise: its questions, its reference, typical mistakes, its marking;
                 open ones: what must hold
    experiment   what an experiment reads as parameters and stores as results
    claims/      predictions, and claims that are held to their numbers
    plots/       every figure of the course: records in, axes out
    train/       training, with its history; many seeds at once
    probe/       what one forward and one backward pass leave behind, layer by layer
    models/      a setting, and the network that is built from it
    initialize   initialisers by name, each with the variance that it aims at
    data/        real data that comes inside the packages
    theory/      what mean-field theory predicts

Ground: plain tools
    progress     what a learner has predicted and solved, kept in a file
    plain        plain data as bytes, never a pickle
    files        durable atomic writes, and locks on folders
    text         numbers and names, written one way
    checks       arguments, checked with one wording
"""
