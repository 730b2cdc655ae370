"""What a self-consistent calculation says about the electrons as a whole."""

from __future__ import annotations

from aiida import orm
from aiida.engine import calcfunction

from aiida_redoxmlp.hubbard.band_gap import band_gap

__all__ = ("describe_electrons",)


@calcfunction
def describe_electrons(bands: orm.BandsData, parameters: orm.Dict) -> orm.Dict:
    """Return ``gap`` in eV (negative for overlapping bands), ``total_magnetization`` in μB and ``number_of_bands``.

    Args:
        bands: the bands of a calculation with smearing, empty ones among them, with their occupations.
        parameters: pw.x's output parameters.
    """
    energies, occupations = bands.get_bands(also_occupations=True)
    content = parameters.get_dict()
    return orm.Dict(
        {
            "gap": band_gap(energies, occupations),
            "total_magnetization": float(content.get("total_magnetization") or 0.0),
            "number_of_bands": int(energies.shape[-1]),
        }
    )
