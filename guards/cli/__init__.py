"""What `python -m guards` does beyond parsing its arguments. Never imported by the app."""
