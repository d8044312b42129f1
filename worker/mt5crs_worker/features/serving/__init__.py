"""A feature API of our own: what the strategies saw, for dashboards, notebooks and strategies."""
