"""Calculation jobs and functions of the plugin."""
