"""The package's own errors: each message is one sentence that names the input and the way out."""

from __future__ import annotations

__all__ = (
    "ClosureError",
    "ConfigurationError",
    "InputError",
    "ModelIntegrityError",
    "OutputFormatError",
    "RedoxmlpError",
)


class RedoxmlpError(Exception):
    """Base class of every error this package raises on purpose."""


class InputError(RedoxmlpError, ValueError):
    """An input that cannot be used: unknown element or state, a structure without redox sites, and the like."""


class ClosureError(InputError):
    """No assignment of the allowed oxidation states closes the total charge."""


class ConfigurationError(InputError):
    """A configuration file with a misspelt key or a value that is not allowed."""


class OutputFormatError(RedoxmlpError):
    """An output file that is not what it should be."""


class ModelIntegrityError(RedoxmlpError):
    """Model files whose content does not match the hash they were stored with."""
