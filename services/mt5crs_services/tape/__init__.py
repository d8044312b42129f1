"""The tape: the last ticks of every configured symbol, in memory and on disk."""
