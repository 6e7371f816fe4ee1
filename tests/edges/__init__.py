"""Every edge against a real server on loopback: the sandbox's, or a scripted one."""
