"""Exercises of lesson 06: normalisation."""

from helpers.exercises.specification import Exercise

EXERCISES: tuple[Exercise, ...] = ()
