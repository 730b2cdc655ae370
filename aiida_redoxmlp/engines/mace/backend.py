"""The one place that imports torch, e3nn and MACE, and sets them up for reproducible work."""

from __future__ import annotations

import io
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from aiida_redoxmlp.errors import InputError, NoGpuError

_E3NN_SWITCH = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
_CUBLAS_SWITCH = "CUBLAS_WORKSPACE_CONFIG"

# e3nn 0.4.4 unpickles the constants it ships (and MACE leaves the switch on for good): allow it for the import only.
_before = os.environ.get(_E3NN_SWITCH)
os.environ[_E3NN_SWITCH] = "1"
os.environ.setdefault(_CUBLAS_SWITCH, ":4096:8")
with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # MACE prints which accelerators it misses
    warnings.simplefilter("ignore")  # torch's remark on that very switch
    import torch
    from e3nn import o3
    from e3nn.nn._fc import _Layer as fully_connected_layer
    from mace.modules import interaction_classes, readout_classes
    from mace.modules.lora import LoRADenseLinear, LoRAFCLayer, LoRAO3Linear, merge_lora_weights
    from mace.modules.models import ScaleShiftMACE
if _before is None:
    del os.environ[_E3NN_SWITCH]
else:
    os.environ[_E3NN_SWITCH] = _before

__all__ = (
    "DTYPES",
    "LoRADenseLinear",
    "LoRAFCLayer",
    "LoRAO3Linear",
    "ScaleShiftMACE",
    "choose_device",
    "fully_connected_layer",
    "interaction_classes",
    "is_out_of_memory",
    "merge_lora_weights",
    "o3",
    "readout_classes",
    "reproducible",
    "torch",
)

DTYPES = {"float32": torch.float32, "float64": torch.float64}
"""torch's floating-point types by the names used in settings."""


def _respect_thread_limit() -> None:
    """Give torch the number of threads the job was given in OMP_NUM_THREADS."""
    threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if threads.isdigit() and int(threads) > 0:
        torch.set_num_threads(int(threads))


_respect_thread_limit()


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` takes a GPU where there is one.

    Raises:
        InputError: for an unknown name.
        NoGpuError: for ``cuda`` where there is no GPU that torch can use.
    """
    if name.partition(":")[0] not in {"auto", "cpu", "cuda"}:
        raise InputError(f"There is no device {name!r}; the devices are auto, cpu and cuda.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.partition(":")[0] == "cuda" and not torch.cuda.is_available():
        build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPUs only"
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise NoGpuError(
            f"The device 'cuda' was asked for, but torch {torch.__version__} (built for {build}) finds no GPU on "
            f"{platform.node()} (CUDA_VISIBLE_DEVICES is {visible!r}); ask the scheduler for one, install a torch "
            "built for it, or set the device to 'auto' or 'cpu'."
        )
    return torch.device(name)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether torch or the device ran out of memory, which only a smaller batch cures."""
    words = ("out of memory", "can't allocate memory", "cannot allocate memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(one in str(error).lower() for one in words)
    )


@contextmanager
def reproducible(dtype: str, seed: int | None = None) -> Iterator[None]:
    """Run the block with deterministic kernels, a default floating-point type and, if given, a seed.

    The caller's random state and torch settings are put back afterwards.
    """
    type_before = torch.get_default_dtype()
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    warn_only_before = torch.is_deterministic_algorithms_warn_only_enabled()
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        try:
            torch.set_default_dtype(DTYPES[dtype])
            torch.use_deterministic_algorithms(True, warn_only=True)
            if seed is not None:
                torch.manual_seed(seed)
            yield
        finally:
            torch.set_default_dtype(type_before)
            torch.use_deterministic_algorithms(deterministic_before, warn_only=warn_only_before)
