"""From YAML to structs, with the place of every mistake."""
