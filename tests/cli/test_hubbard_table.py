from __future__ import annotations

import io

import pytest
from rich.console import Console

from aiida_redoxmlp.cli.hubbard_table import hubbard_table


def _cycle(number, u_in, u_out, *, pairs=(), ambiguous=False):
    return {
        "cycle": number,
        "sites": [0, 1],
        "elements": ["Mn", "Mn"],
        "manifolds": ["3d", "3d"],
        "u_in": u_in,
        "u_out": u_out,
        "pairs": list(pairs),
        "oxidation_states": {"sites": [0, 1], "states": [2, 3], "ambiguous": ambiguous},
        "pattern_changed": False,
    }


def _pair(site, neighbour, v, manifolds=("3d", "2p")):
    return {"site": site, "neighbour": neighbour, "manifolds": list(manifolds), "v_out": v}


@pytest.fixture
def printed():
    def printed(*cycles):
        stream = io.StringIO()
        Console(file=stream, width=80).print(hubbard_table({"cycles": list(cycles)}, ["Mn", "Mn", "O", "O"]))
        return stream.getvalue()

    return printed


def test_every_site_has_its_state_and_u_before_and_after_each_cycle(printed):
    text = printed(_cycle(1, [4.5, 4.5], [5.11, 6.52]), _cycle(2, [5.11, 6.52], [5.02, 6.49]))
    rows = [line.replace("│", " ").split() for line in text.splitlines()]
    assert ["1", "Mn", "1", "3d", "+2", "4.50", "5.11"] in rows
    assert ["Mn", "2", "3d", "+3", "4.50", "6.52"] in rows
    assert ["2", "Mn", "1", "3d", "+2", "5.11", "5.02"] in rows
    assert "V out" not in text


def test_ambiguous_states_are_marked_and_explained(printed):
    text = printed(_cycle(1, [4.5, 4.5], [7.37, 7.37], ambiguous=True), _cycle(2, [7.37, 7.37], [5.0, 6.5]))
    assert text.count("+2?") == text.count("+3?") == 1
    assert "? ambiguous" in text
    assert "?" not in printed(_cycle(1, [4.5, 4.5], [5.1, 6.5]))


def test_v_is_the_mean_over_a_sites_pairs_whichever_end_it_is(printed):
    pairs = [_pair(0, 2, 0.4), _pair(0, 3, 0.5), _pair(3, 1, 0.7, ("2p", "3d"))]
    text = printed(_cycle(1, [4.5, 4.5], [5.1, 6.5], pairs=pairs))
    assert "O 2p 0.450 (×2)" in text
    assert "O 2p 0.700 (×1)" in text


def test_a_corrected_ligand_has_no_state(printed):
    cycle = _cycle(1, [4.5, 8.0], [5.1, 8.2])
    cycle["sites"] = [0, 2]
    cycle["manifolds"] = ["3d", "2p"]
    rows = [line.replace("│", " ").split() for line in printed(cycle).splitlines()]
    assert ["O", "3", "2p", "–", "8.00", "8.20"] in rows


def test_the_table_fits_80_columns(printed):
    text = printed(_cycle(1, [4.5, 4.5], [5.1, 6.5], pairs=[_pair(0, 2, 0.4)] * 12))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "(×12)" in text
