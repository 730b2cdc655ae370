"""Data nodes: datasets, models, oxidation states."""
