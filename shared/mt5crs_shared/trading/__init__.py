"""Orders, what becomes of them, and the ledger that has them all."""
