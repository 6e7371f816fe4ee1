"""The sandbox itself: its ARM, its Functions host, its topic and sinks."""
