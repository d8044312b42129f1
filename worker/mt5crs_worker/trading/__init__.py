"""From a signal to an order, and the journal that knows what became of it."""
