"""Processes that all strategies share: gateway, tape and feed."""
