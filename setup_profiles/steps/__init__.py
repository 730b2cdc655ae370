"""The steps from a bare machine to a working profile, standard library only."""
