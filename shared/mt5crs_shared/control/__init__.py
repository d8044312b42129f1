"""What a running supervisor says of itself, and how it is asked, by whoever looks on."""
