"""Ready-made questions to the provenance graph."""
