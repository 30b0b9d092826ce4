"""Grade a class: fairly, quickly, and without trusting what students hand in.

``submissions`` finds the notebooks, and ``cells`` takes the student's cells out of them;
``walls`` and ``worker`` run those cells in a sandbox, where they answer questions that
``judge`` asks, over ``frames``, and marks in a process of its own; ``grade`` does this
for a class; ``records`` keep what came of it, and ``marks``, ``gradebooks`` and
``feedback`` write it for people; ``release`` writes what students get.
"""
