"""Parsers of the plugin's calculation jobs."""
