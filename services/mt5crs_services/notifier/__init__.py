"""Tells people what has happened: from the events and the ledger to a phone, each thing once."""
