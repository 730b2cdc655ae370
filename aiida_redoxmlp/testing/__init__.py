"""The conformance suite: inherit :class:`EngineConformance` in a test module, and pytest runs it on your engine.

.. code-block:: python

    class TestMyEngine(EngineConformance):
        settings = TrainingSettings(engine="mine", seeds=(1, 2), max_epochs=8)

The engine must be in :data:`aiida_redoxmlp.engines.catalogue.ENGINES`. A tolerance that is not met is a fault of the
engine; the tolerances are attributes so that an engine that only knows ``float32`` can state its own.
"""

from __future__ import annotations

from aiida_redoxmlp.testing.conformance import EngineConformance
from aiida_redoxmlp.testing.toy import toy_frames

__all__ = ("EngineConformance", "toy_frames")
