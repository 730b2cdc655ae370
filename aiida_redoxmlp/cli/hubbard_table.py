"""U and V of every site and cycle as a table for the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rich.table import Table

__all__ = ("hubbard_table",)


def hubbard_table(content: dict[str, Any], symbols: Sequence[str]) -> Table:
    """Return a table with one row a Hubbard site and cycle.

    Args:
        content: the output ``cycles`` of a ``HubbardWorkChain``.
        symbols: chemical symbols of all atoms, in the same order of atoms.
    """
    cycles = content["cycles"]
    with_v = any(cycle["pairs"] for cycle in cycles)
    unsure = any(cycle["oxidation_states"]["ambiguous"] for cycle in cycles)
    table = Table(
        title="Hubbard parameters / eV",
        title_justify="left",
        caption="? ambiguous: other states fit the occupations as well" if unsure else None,
        caption_justify="left",
    )
    for heading in ("cycle", "site", "state", "U in", "U out", *(("V out, mean of pairs",) if with_v else ())):
        table.add_column(heading, justify="left" if heading in {"site", "V out, mean of pairs"} else "right")
    for cycle in cycles:
        found = cycle["oxidation_states"]
        mark = "?" if found["ambiguous"] else ""
        states = {site: f"{state:+d}{mark}" for site, state in zip(found["sites"], found["states"], strict=True)}
        for row, site in enumerate(cycle["sites"]):
            table.add_row(
                str(cycle["cycle"]) if row == 0 else "",
                f"{symbols[site]} {site + 1} {cycle['manifolds'][row]}",
                states.get(site, "–"),
                f"{cycle['u_in'][row]:.2f}",
                f"{cycle['u_out'][row]:.2f}",
                *((_mean_v(cycle["pairs"], site, symbols),) if with_v else ()),
                style="yellow" if cycle["pattern_changed"] else None,
                end_section=row == len(cycle["sites"]) - 1,
            )
    return table


def _mean_v(pairs: Sequence[dict[str, Any]], site: int, symbols: Sequence[str]) -> str:
    """Return the mean V of a site's pairs by the other atom's manifold, with their number."""
    values: dict[str, list[float]] = defaultdict(list)
    for pair in pairs:
        manifold, other_manifold = pair["manifolds"]
        if pair["site"] == site:
            values[f"{symbols[pair['neighbour']]} {other_manifold}"].append(pair["v_out"])
        elif pair["neighbour"] == site:
            values[f"{symbols[pair['site']]} {manifold}"].append(pair["v_out"])
    return ", ".join(f"{name} {sum(found) / len(found):.3f} (×{len(found)})" for name, found in values.items())
