"""Labelled frames: schema, file format, splits."""
