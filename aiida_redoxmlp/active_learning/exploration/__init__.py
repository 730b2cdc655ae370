"""Walkers that look for structures a committee does not know, and stop where they leave what it knows."""
