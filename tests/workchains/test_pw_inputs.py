from __future__ import annotations

import pytest
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily, PseudoPotentialFamily

from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.workchains.pw_inputs import kpoints_for, pseudos_and_cutoffs


def make_family(family_class, label, pseudos, leave_out=()):
    group = family_class(label=label).store()
    group.add_nodes([pseudo.store() for element, pseudo in pseudos.items() if element not in leave_out])
    return group


def test_element_without_pseudopotential_is_named(aiida_profile_clean, demo_structure, pseudos):
    make_family(PseudoPotentialFamily, "no-lithium", pseudos, leave_out=("Li",))
    with pytest.raises(InputError, match="'no-lithium' has no Li"):
        pseudos_and_cutoffs("no-lithium", demo_structure)


def test_family_without_cutoffs_for_an_element_says_how_to_set_them(aiida_profile_clean, demo_structure, pseudos):
    make_family(CutoffsPseudoPotentialFamily, "no-cutoffs", pseudos)
    with pytest.raises(InputError, match="aiida-pseudo family cutoffs set"):
        pseudos_and_cutoffs("no-cutoffs", demo_structure)


def test_highest_cutoffs_of_the_elements_are_taken(aiida_profile_clean, demo_structure, pseudos):
    family = make_family(CutoffsPseudoPotentialFamily, "with-cutoffs", pseudos)
    each = {"Mn": 42.0, "P": 34.0, "O": 43.0, "Li": 50.0}
    cutoffs = {element: {"cutoff_wfc": wfc, "cutoff_rho": 6 * wfc} for element, wfc in each.items()}
    family.set_cutoffs(cutoffs, "normal", unit="Ry")
    found, recommended = pseudos_and_cutoffs("with-cutoffs", demo_structure)
    assert sorted(found) == ["Li", "Mn", "O", "P"]
    assert recommended == {"ecutwfc": pytest.approx(50.0), "ecutrho": pytest.approx(300.0)}


def test_gamma_is_written_as_a_mesh_and_distances_become_one(demo_structure):
    assert kpoints_for(demo_structure, None).get_kpoints_mesh() == ([1, 1, 1], [0.0, 0.0, 0.0])
    mesh, _ = kpoints_for(demo_structure, 0.2).get_kpoints_mesh()
    assert min(mesh) > 1
