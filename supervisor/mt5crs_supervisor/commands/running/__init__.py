"""Verbs that start a system, stop it, and change it while it runs."""
