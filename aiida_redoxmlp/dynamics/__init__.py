"""Molecular dynamics: what a run is asked to do, and the velocities it goes on with."""
