"""AiiDA workflows for machine-learned potentials that know oxidation states."""

__version__ = "0.1.0"
