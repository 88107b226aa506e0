"""Orders of runs, estimates and intervals from samples.  Pure."""
