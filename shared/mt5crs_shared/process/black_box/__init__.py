"""What a process leaves behind for whoever asks why it ended."""
