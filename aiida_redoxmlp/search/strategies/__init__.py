"""Search strategies behind one interface."""
