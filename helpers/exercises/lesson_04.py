"""Exercises of lesson 04: activations."""

from helpers.exercises.specification import Exercise

EXERCISES: tuple[Exercise, ...] = ()
