"""Active learning without AiiDA: what to ask DFT, what its answers mean, and when to stop."""
