"""Where a command writes what it was asked for: a local file, or an object in a store."""

from __future__ import annotations

from pipeline.storage import Store, local_path
from transforms.errors import ConfigError, DeidError

_LASTING = {"FileExistsError", "FileNotFoundError", "IsADirectoryError", "NotADirectoryError", "PermissionError"}


def write(store: Store, option: str, uri: str, data: bytes) -> None:
    """Write ``data`` to what ``option`` names.

    Raises:
        ConfigError: the name of a local file or the rights are wrong, and stay so when the command is run again.
        DeidError: WRITE_FAILED, all else, which may pass.
    """
    try:
        store.write_atomic(uri, data)
    except DeidError as exc:
        if local_path(uri) is None or exc.detail not in _LASTING:
            raise
        raise ConfigError(f"{option} {uri}: cannot be written ({exc.detail}); expected a file in a folder that may be written to") from None
