"""Grade a class: fairly, quickly, and without trusting what students hand in.

``collect`` finds the notebooks and takes the student's cells out of them. ``sandbox`` runs those
cells, where they answer questions that ``judge`` asks and marks in a process of its own, with
inputs drawn from the instructor's ``secret``. ``grade`` does this for a class; ``running`` says
what runs beside what, and how often. ``records`` are what came of it, kept in a ``store``;
``marks`` writes them as tables and reads what is set by hand; ``hand_back`` writes pages, fills
gradebooks, and releases the course that students get.
"""
