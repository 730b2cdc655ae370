"""The steps inside AiiDA: profile, pseudopotential family, computers, codes and daemon."""
