"""Where orders go: the paper book, and bridges to MetaTrader."""
