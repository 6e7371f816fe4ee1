"""Every edge against a real server on loopback: the sandbox's where it has one, a scripted one else."""
