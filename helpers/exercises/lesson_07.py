"""Exercises of lesson 07: residual connections."""

from helpers.exercises.specification import Exercise

EXERCISES: tuple[Exercise, ...] = ()
