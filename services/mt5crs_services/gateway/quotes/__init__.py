"""What the gateway itself has seen of the market, and whether an order's tick fits to it."""
