#!/usr/bin/env python3
"""From a bare machine to a working AiiDA profile, all inside this checkout.

``python3 setup_profiles/bootstrap.py setup`` makes a Python environment, Quantum ESPRESSO, pseudopotentials,
an AiiDA profile with computers and codes, and starts its daemon. Steps done before are skipped.
"""

import sys

# No `from __future__` above: an older Python has to get as far as this sentence.
if sys.version_info < (3, 10):  # noqa: UP036 - this is the sentence an older Python has to be able to say
    sys.exit(
        "aiida-redoxmlp needs Python 3.10 or later, and this is "
        + ".".join(str(number) for number in sys.version_info[:2])
        + "; name another one with `make PYTHON=/path/to/python3`."
    )

from steps.commands import main

if __name__ == "__main__":
    sys.exit(main())
