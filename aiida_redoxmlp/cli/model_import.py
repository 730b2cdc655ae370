"""``aiida-redoxmlp model import``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from aiida_redoxmlp.cli.model_file import require_trust
from aiida_redoxmlp.cli.profile import ensure_profile
from aiida_redoxmlp.data.model import ModelData
from aiida_redoxmlp.engines.export import FOLDER_FORMAT, export_model
from aiida_redoxmlp.engines.registry import get_engine

__all__ = ("command",)


@click.command("import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--trust-pickle", is_flag=True, help="Load a foreign file, which runs the code in it.")
@click.option("--head", help="The head to keep of a foreign model with several.")
@click.option("--label", default="", help="Label of the node.")
def command(path: Path, trust_pickle: bool, head: str | None, label: str) -> None:
    """Store the model at PATH in the AiiDA profile.

    PATH is a folder with a model's files, or a MACE `.model` file. Such a file is a pickle, and loading it runs the
    code in it; it is rebuilt by our code, compared with the original, and stored as weights with a typed description.
    It becomes a potential that knows elements and no states, which trainings can start from.
    """
    require_trust(path, trusted=trust_pickle)
    ensure_profile()
    with tempfile.TemporaryDirectory(prefix="redoxmlp-") as scratch:
        folder = Path(scratch) / "model"
        if path.is_dir():
            export_model(path, folder, FOLDER_FORMAT)
        else:
            get_engine("mace").load_foreign(path, trusted=trust_pickle, head=head).save(folder)
        node = ModelData.from_folder(folder)
        node.label = label or path.name
        node.store()
    click.echo(f"Stored ModelData<{node.pk}> {node.uuid}")
