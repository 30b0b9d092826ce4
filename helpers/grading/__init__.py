"""Grade a class: fairly, quickly, and without trusting what students hand in.

``submissions`` finds the notebooks and takes the student's cells out of them;
``walls`` and ``worker`` run those cells in a sandbox, where they answer questions;
``judge`` asks the questions and marks the answers, in a process of its own;
``grade`` does this for a class; ``marks`` and ``feedback`` write what people read;
``release`` writes what students get.
"""
