"""Claims about what is kept of a potential: saving, loading, members, summaries, files for other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aiida_redoxmlp.engines.export import FOLDER_FORMAT, export_model
from aiida_redoxmlp.engines.registry import get_engine, load_potential, summarise
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.testing.trained import TrainedPotential, require, require_refused_model

__all__ = ("StoringClaims",)


class StoringClaims(TrainedPotential):
    """What is written is what was trained, and nothing else is read."""

    def test_saved_potential_answers_the_same(self, tmp_path: Path) -> None:
        """Saving and loading changes no digit and keeps the encoding."""
        self.potential.save(tmp_path / "model")
        loaded = load_potential(tmp_path / "model")
        (after,) = loaded.evaluate([self.configuration])
        before = self.evaluate_one(self.configuration)
        require(loaded.encoding == self.potential.encoding, "the encoding changed")
        np.testing.assert_array_equal(after.energies, before.energies)
        np.testing.assert_array_equal(after.forces, before.forces)

    def test_tampered_file_is_refused(self, tmp_path: Path) -> None:
        """One changed byte in any file of a saved model is noticed."""
        self.potential.save(tmp_path / "model")
        for path in sorted((tmp_path / "model").rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                middle = len(content) // 2
                path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
                require_refused_model(tmp_path / "model", path.name)
                path.write_bytes(content)
        load_potential(tmp_path / "model")

    def test_member_is_its_share_of_the_committee(self) -> None:
        """Every member alone says what it says in the committee."""
        together = self.evaluate_one(self.configuration)
        for index in range(self.potential.n_members):
            member = self.potential.member(index)
            (alone,) = member.evaluate([self.configuration])
            require(member.n_members == 1, f"member {index} is a committee of {member.n_members}")
            np.testing.assert_array_equal(alone.energies, together.energies[index : index + 1])
            np.testing.assert_array_equal(alone.forces, together.forces[index : index + 1])

    def test_summary_tells_of_every_member_and_every_broken_file(self, tmp_path: Path) -> None:
        """A saved model's summary needs no engine; it knows encoding, seeds and hashes."""
        self.potential.save(tmp_path / "model")
        summary = summarise(tmp_path / "model")
        require(summary.engine == self.settings.engine, "the summary names another engine")
        require(summary.encoding == self.potential.encoding, "the summary has another encoding")
        require(tuple(one.seed for one in summary.members) == self.settings.seeds, "the summary has other seeds")
        require(not summary.broken, f"the files {summary.broken} are said not to be what was saved")
        (tmp_path / "model" / summary.members[-1].file).write_bytes(b"other weights")
        broken = summarise(tmp_path / "model").broken
        require(tuple(broken) == (summary.members[-1].file,), f"of all files {broken} are said to be broken")

    def test_exports_leave_a_file_a_member_or_a_sentence(self, tmp_path: Path) -> None:
        """Every format writes files, or says why it cannot hold this potential and leaves nothing behind."""
        self.potential.save(tmp_path / "model")
        for name in (FOLDER_FORMAT, *get_engine(self.settings.engine).export_formats):
            target = tmp_path / name
            try:
                files = export_model(tmp_path / "model", target, name)
            except InputError as error:
                require(bool(str(error)), f"the format {name} was refused without a word")
                require(not target.exists(), f"the refused format {name} left something behind")
            else:
                require(bool(files), f"the format {name} wrote nothing")
