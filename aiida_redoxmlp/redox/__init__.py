"""The physics of redox patterns: occupations, oxidation states, symmetry, seeds."""
