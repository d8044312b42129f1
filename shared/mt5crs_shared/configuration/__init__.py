"""The configuration: its structs, and how the trader's files become them."""
