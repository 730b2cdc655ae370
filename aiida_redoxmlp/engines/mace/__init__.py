"""MACE behind the engine contract."""
