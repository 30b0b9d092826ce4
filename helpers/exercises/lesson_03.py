"""Exercises of lesson 03: causes, and what each costs."""

from helpers.exercises.specification import Exercise

EXERCISES: tuple[Exercise, ...] = ()
