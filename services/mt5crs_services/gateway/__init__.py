"""The only way to the broker: order journal, ledger, account risk, fencing."""
