"""One strategy: its market, its decisions and deals, its settings, log, life and deaths."""
