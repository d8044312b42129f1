"""A gateway to a MetaTrader 5 terminal, for Windows: its own protocol, ticks, no expert advisor."""
