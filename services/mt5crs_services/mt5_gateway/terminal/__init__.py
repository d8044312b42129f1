"""The MetaTrader5 package, as the rest of the gateway sees it: errors, words, times in UTC."""
