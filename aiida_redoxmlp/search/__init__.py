"""Ground-state search over redox patterns with a committee of potentials."""
