"""The paper book: a broker that fills in event time."""
