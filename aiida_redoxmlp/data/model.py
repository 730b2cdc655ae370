"""Data node for a trained committee."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiida import load_profile, orm
from aiida.common.exceptions import AiidaException, MultipleObjectsError, NotExistent
from aiida.manage import get_manager

from aiida_redoxmlp.engines.contract import CommitteePotential
from aiida_redoxmlp.engines.registry import load_potential
from aiida_redoxmlp.engines.settings import TrainingSettings
from aiida_redoxmlp.errors import InputError
from aiida_redoxmlp.redox.species import Species

__all__ = ("ModelData",)

_MODEL_FILE = "model.json"


class ModelData(orm.FolderData):
    """A committee of potentials: weights as safetensors beside the typed configuration that rebuilds them."""

    @classmethod
    def from_folder(cls, folder: Path) -> ModelData:
        """Return an unstored node with the files of a saved committee.

        Raises:
            InputError: if the folder does not hold a saved committee.
        """
        if not (folder / _MODEL_FILE).is_file():
            raise InputError(f"{folder} holds no {_MODEL_FILE}; give a folder that a training wrote.")
        node = cls(tree=folder.absolute())
        content = json.loads((folder / _MODEL_FILE).read_text())
        node.base.attributes.set_many(
            {
                "engine": content["engine"],
                "encoding": content["encoding"]["name"],
                "species": sorted(content["encoding"]["stand_ins"]),
                "n_members": len(content["members"]),
            }
        )
        return node

    @classmethod
    def find(cls, model: ModelData | Path | str | int) -> ModelData | Path:
        """Return a stored model, or the folder that is one; a folder needs no profile.

        Args:
            model: a node, its PK, UUID or label, or a folder; a folder of the same name comes before a label.

        Raises:
            InputError: if there is no such folder or node, or it is no model.
        """
        if isinstance(model, cls):
            return model
        if isinstance(model, Path) or (isinstance(model, str) and Path(model).is_dir()):
            return Path(model)
        if get_manager().get_profile() is None:
            try:
                load_profile()
            except AiidaException as error:
                raise InputError(
                    f"{model!r} is no folder, and no AiiDA profile can be loaded to look for a node ({error}); give "
                    "the folder of a model, or make a profile with `verdi presto`."
                ) from error
        try:
            node = orm.load_node(model)
        except (NotExistent, MultipleObjectsError, ValueError) as error:
            raise InputError(
                f"There is no folder and no node {model!r} in this profile; give a folder, PK, UUID or label."
            ) from error
        if not isinstance(node, cls):
            raise InputError(
                f"<{model}> is a {node.__class__.__name__}, not a model; give the PK of a `redoxmlp.model` node."
            )
        return node

    @property
    def configuration(self) -> dict[str, Any]:
        """The typed configuration stored beside the weights."""
        content: dict[str, Any] = json.loads(self.base.repository.get_object_content(_MODEL_FILE, "r"))
        return content

    @property
    def encoding(self) -> str:
        """Name of the encoding, such as ``species``."""
        return str(self.base.attributes.get("encoding"))

    @property
    def embeds_states(self) -> bool:
        """Whether the network is told the oxidation states in an embedding of their own."""
        return self.encoding.startswith("embedding")

    def require_parents(self, elements: Iterable[str], settings: TrainingSettings) -> None:
        """Check that a training with these settings on these elements can start from this model.

        Raises:
            InputError: if the model is another engine's, lacks an element, or embeds states that the training does not.
        """
        own = str(self.base.attributes.get("engine", ""))
        if own != settings.engine:
            raise InputError(
                f"The foundation model is of the engine {own!r}, but the training's is {settings.engine!r}; take one "
                "of the two."
            )
        if self.embeds_states and not settings.encoding.startswith("embedding"):
            raise InputError(
                f"The foundation model embeds oxidation states, and the encoding {settings.encoding!r} does not; train "
                "with the encoding 'embedding' or 'embedding+spin'."
            )
        known = {Species.parse(label).element for label in self.base.attributes.get("species", [])}
        missing = sorted(set(elements) - known)
        if missing:
            raise InputError(
                f"The foundation model does not know {', '.join(missing)}; it knows {', '.join(sorted(known))}: take "
                "another one, or train from the start."
            )

    @contextmanager
    def as_folder(self) -> Iterator[Path]:
        """Give the files as a folder on disk for the time of the context."""
        with self.base.repository.as_path() as path:
            yield path

    def load(self, device: str = "cpu") -> CommitteePotential:
        """Rebuild the committee; the engine (torch) must be installed here.

        Raises:
            ModelIntegrityError: if a weight file does not match the hash it was stored with.
        """
        with self.as_folder() as folder:
            return load_potential(folder, device=device)
