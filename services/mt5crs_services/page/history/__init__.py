"""What was earned over any span: every figure is made by `trading.trades`."""
