"""Where orders go: the paper book, or a MetaTrader 5 bridge."""
