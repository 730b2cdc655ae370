"""Hubbard parameters: reading hp.x, choosing and comparing interactions, following them over cycles."""
