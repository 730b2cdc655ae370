"""The YAML file of an active-learning loop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from aiida_redoxmlp.active_learning.neighbourhoods import Neighbourhoods
from aiida_redoxmlp.active_learning.selection import SelectionSettings
from aiida_redoxmlp.active_learning.stopping import Budget, StoppingRules
from aiida_redoxmlp.cli.foundation_config import FoundationConfig, beside
from aiida_redoxmlp.cli.material_config import MaterialConfig
from aiida_redoxmlp.cli.resources_config import Resources, Section
from aiida_redoxmlp.workchains.protocols import merged

__all__ = ("ActiveLearningCodes", "ActiveLearningResources", "ActiveLearningRunConfig", "StatesOfCharge")


def _as_input_name(name: str) -> str:
    """Return a name that can be that of an input of a work chain, in which ``__`` separates namespaces."""
    if re.fullmatch(r"[A-Za-z](_?[A-Za-z0-9])*", name) is None:
        raise ValueError(
            f"the name {name!r} cannot be used; write letters, digits and single underscores, beginning with a letter"
        )
    return name


_Name = Annotated[str, AfterValidator(_as_input_name)]


class StatesOfCharge(Section):
    """Structures with some atoms of an element taken out, a structure for every number that stays."""

    element: str = Field("Li", description="Element that goes in and out.")
    remaining: list[Annotated[int, Field(ge=0)]] = Field(
        min_length=1,
        description="Numbers of its atoms that stay in the (super)cell, such as [4, 3, 2, 1, 0]; those that stay are "
        "as far from each other as one after another can be chosen.",
    )

    @field_validator("remaining")
    @classmethod
    def _each_once(cls, remaining: list[int]) -> list[int]:
        if len(set(remaining)) < len(remaining):
            raise ValueError(f"the numbers {remaining} repeat; give each once")
        return remaining


class ActiveLearningCodes(Section):
    """Labels of AiiDA codes."""

    pw: str = Field("pw@localhost", description="pw.x.")
    redoxmlp: str = Field(
        "redoxmlp@localhost", description="redoxmlp-run: exploration, selection, training and evaluation."
    )


class ActiveLearningResources(Section):
    """Resources by job kind."""

    dft: Resources = Field(Resources(), description="Of pw.x jobs.")
    exploration: Resources = Field(Resources(), description="Of exploration and selection.")
    training: Resources = Field(Resources(), description="Of training and evaluation.")


class ActiveLearningRunConfig(MaterialConfig):
    """Everything that an active-learning loop needs to know."""

    states_of_charge: StatesOfCharge | None = Field(
        None, description="Take atoms out of the structure; if not given, it is taken as it is."
    )
    more_structures: dict[_Name, Path] = Field(
        default_factory=dict,
        description="Further structure files by name, such as orders that a search found; `supercell` does not repeat "
        "them.",
    )
    campaign: int | str | None = Field(
        None,
        description="PK, UUID or output folder of a campaign that ended, to go on from: its committee, its dataset, "
        "and its relaxed structures with their U and V instead of the structure as it is.",
    )
    dataset: int | str | None = Field(None, description="What is labelled already: a dataset node, or a file (`.npz`).")
    model: int | str | None = Field(None, description="The committee to begin with: a model node, or a folder.")
    previous: int | str | None = Field(
        None, description="PK or UUID of a loop that ended, to go on from: its dataset, committee and record."
    )
    foundation: FoundationConfig = FoundationConfig()
    budget: Budget | None = Field(None, description="What may be spent; limits that are not given are the protocol's.")
    rules: StoppingRules | None = Field(
        None, description="When the loop has converged; rules that are not given are the protocol's."
    )
    selection: SelectionSettings | None = Field(
        None, description="Strategy, candidate band and labels an iteration, laid over the protocol's."
    )
    neighbourhoods: Neighbourhoods | None = Field(
        None, description="What is labelled first where there is no dataset and no model, laid over the protocol's."
    )
    explore: dict[str, Any] = Field(
        default_factory=dict,
        description="Walks, variations and limits, laid over the protocol's: the fields of "
        "`aiida_redoxmlp.active_learning.exploration.settings.ExplorationSettings`.",
    )
    training: dict[str, Any] = Field(
        default_factory=dict,
        description="Seeds, epochs and so on, laid over the protocol's: the fields of "
        "`aiida_redoxmlp.engines.settings.TrainingSettings`.",
    )
    codes: ActiveLearningCodes = ActiveLearningCodes()
    resources: ActiveLearningResources = ActiveLearningResources()

    @model_validator(mode="after")
    def _one_beginning(self) -> ActiveLearningRunConfig:
        if self.campaign is not None and self.previous is not None:
            raise ValueError(
                "campaign and previous both say what the loop goes on from; give one of them, as a loop that began "
                "with a campaign has what it needs of it"
            )
        return self

    @model_validator(mode="after")
    def _labels_within_the_budget(self) -> ActiveLearningRunConfig:
        most = None if self.budget is None else self.budget.labels
        for key, section in (("selection", self.selection), ("neighbourhoods", self.neighbourhoods)):
            asked = section is not None and "n_labels" in section.model_fields_set and section.n_labels
            if most is not None and asked > most:
                raise ValueError(
                    f"{key}.n_labels asks for {asked} labels an iteration, but budget.labels is {most}; give fewer "
                    "labels or a larger budget"
                )
        return self

    def relative_to(self, folder: Path) -> ActiveLearningRunConfig:
        """Return the configuration with its files beside it."""
        named = {
            "dataset": (self.dataset, ".npz"),
            "model": (self.model, ".model"),
            "campaign": (self.campaign, ".json"),
        }
        return self.model_copy(
            update={
                "structure": folder / self.structure,
                "more_structures": {name: folder / path for name, path in self.more_structures.items()},
                "foundation": self.foundation.relative_to(folder),
                **{key: beside(folder, one, suffix) for key, (one, suffix) in named.items() if one is not None},
            }
        )

    def laid_over(self) -> dict[str, Any]:
        """Return the overrides of the protocol ``active_learning``, with what has keys of its own."""
        given = {
            name: section.model_dump(mode="json", exclude_unset=True)
            for name in ("budget", "rules", "neighbourhoods")
            if (section := getattr(self, name)) is not None
        }
        chosen = {} if self.selection is None else self.selection.model_dump(mode="json", exclude_unset=True)
        device = self.resources.exploration.device_for({})
        own = {
            **given,
            "select": {"selection": chosen, **device},
            "explore": {**device, **self.explore},
            "training": self.resources.training.device_for(self.training),
        }
        return merged(self.overrides, own)
