"""The pure core: a deterministic state machine. No clock, no chance, no I/O; time and chance come in as data."""
