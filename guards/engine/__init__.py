"""The pure half of Export Guard: no I/O, no clock, no `azure.*`. Edges and guards are passed in."""
