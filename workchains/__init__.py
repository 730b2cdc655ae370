"""Work chains and their protocols; imported as ``aiida_redoxmlp.workchains``."""
