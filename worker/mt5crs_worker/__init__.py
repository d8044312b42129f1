"""What runs inside one strategy's process."""
