"""Orders, what holds them back, and the trades that become of them."""
