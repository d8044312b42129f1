"""A bridge to MetaTrader: a broker that is far away, behind one socket."""
