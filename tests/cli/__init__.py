"""The operator's command line, as a process and in-process."""
