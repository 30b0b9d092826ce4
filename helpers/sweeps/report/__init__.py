"""Answer a sweep's question on one page that opens offline, with pictures."""

from helpers.sweeps.report.pictures import Plan, page, plan

__all__ = ["Plan", "page", "plan"]
