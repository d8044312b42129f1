"""What each verb of the command line does; imported one by one, so that each starts fast."""
