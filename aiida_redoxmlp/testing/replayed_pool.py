"""Frames with known labels that answer label requests in DFT's place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from aiida_redoxmlp.active_learning.candidates import Candidate, content_key
from aiida_redoxmlp.active_learning.verdicts import LabelAnswer, LabelRequest
from aiida_redoxmlp.dataset.frame import Frame
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.chemistry import RedoxChemistry
from aiida_redoxmlp.redox.configuration import Configuration
from aiida_redoxmlp.search.enumeration import first_configuration
from aiida_redoxmlp.search.space import ConfigurationSpace

__all__ = ("ReplayedPool",)


class ReplayedPool:
    """A pool of labelled frames that shows its geometries only, and a frame to who asks for one.

    Args:
        frames: frames with known labels.
        chemistry: charges of the material.
        failing: places of frames whose label always fails.
    """

    def __init__(self, frames: Sequence[Frame], chemistry: RedoxChemistry, *, failing: Collection[int] = ()) -> None:
        self.frames = tuple(frames)
        self._chemistry = chemistry
        self._failing = frozenset(failing)
        self._places: dict[str, list[int]] = {}
        for place, frame in enumerate(self.frames):
            self._places.setdefault(_geometry_key(frame.configuration), []).append(place)

    def candidates(self) -> list[Candidate]:
        """Return the geometries, one a frame; nothing in their states or spins tells what DFT found.

        The states are those of the first pattern that closes the charge, in ascending order.
        """
        return [Candidate(self._hidden(frame), frame.group, frame.step) for frame in self.frames]

    def answer(self, request: LabelRequest) -> LabelAnswer:
        """Return the label of a geometry, whatever pattern is wanted; of several, the wanted one where there is one.

        Raises:
            InputError: if the pool has no such geometry.
        """
        places = self._places.get(_geometry_key(request.structure))
        if places is None:
            raise InputError(
                f"The pool has no frame with the geometry of {request.name}; ask for structures of its candidates."
            )
        place = next((one for one in places if self.frames[one].pattern == request.wanted), places[0])
        if place in self._failing:
            return LabelAnswer(request, None, "The SCF cycle did not converge.")
        return LabelAnswer(request, self.frames[place])

    def _hidden(self, frame: Frame) -> Configuration:
        space = ConfigurationSpace.of_redox_states(frame.configuration.to_ase(), self._chemistry)
        return replace(
            frame.configuration,
            oxidation_states=space.oxidation_states(first_configuration(space)[None])[0],
            spins=np.zeros(len(frame.configuration), dtype=np.int64),
        )


def _geometry_key(configuration: Configuration) -> str:
    return content_key(replace(configuration, oxidation_states=np.zeros(len(configuration), dtype=np.int64)))
