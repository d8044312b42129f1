"""Faults on purpose: a campaign against a system of its own, and a verdict on what it cost."""
