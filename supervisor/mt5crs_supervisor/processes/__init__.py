"""Processes of the operating system: started, told apart, counted; and this one's own."""
