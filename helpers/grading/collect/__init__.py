"""Collect what students hand in: whose notebook is which, and which cells an exercise needs."""
