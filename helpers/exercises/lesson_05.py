"""Exercises of lesson 05: initialisation."""

from helpers.exercises.specification import Exercise

EXERCISES: tuple[Exercise, ...] = ()
