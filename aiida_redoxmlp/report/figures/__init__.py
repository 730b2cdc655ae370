"""Figures: each module prepares its data once and draws it with plotly and with matplotlib."""
