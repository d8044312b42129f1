"""Figures for Prometheus: asked of the supervisor when they are scraped, served over HTTP."""
