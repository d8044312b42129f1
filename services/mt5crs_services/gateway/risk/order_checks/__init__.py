"""What every order must pass, whatever is configured: the broker would refuse it otherwise."""
