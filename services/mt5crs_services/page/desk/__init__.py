"""The desk at one look: what the supervisor says, with figures from the ledger, as differences."""
