"""The guards, one file a type: what they find in a body, and what they would change."""
