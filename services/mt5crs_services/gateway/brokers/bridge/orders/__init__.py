"""Orders on their way to a broker behind a bridge, and what becomes of them."""
