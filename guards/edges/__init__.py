"""All I/O of Export Guard, one module per outside system. Only `guards.wiring` builds these."""
