"""Answer a sweep's question on one page that opens offline, with pictures.

A setting is one value for each swept parameter, the seed left out; a run is a
setting at one seed. Numbers are averaged over the runs of a setting.
"""

from helpers.sweeps.report.charts import Chart, chart_for
from helpers.sweeps.report.pages import page

__all__ = ["Chart", "chart_for", "page"]
