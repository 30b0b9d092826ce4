"""Run an experiment at many settings, and report what came out."""
