"""What an error of the operating system means for a person who keeps a store in a folder."""

from __future__ import annotations

import errno
from pathlib import Path

from stilts_core.errors import StorageError

_REASONS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "Free some space, or choose a store on another disk, and run the same again."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or ask for more, and run the same again."),
    errno.EFBIG: ("the file is larger than the file system or a limit allows", "Raise the limit (`ulimit -f`)."),
    errno.EACCES: ("there is no right to", "Give this user read and write rights on the folder."),
    errno.EPERM: ("it is not permitted", "Give this user read and write rights on the folder."),
    errno.EROFS: ("the file system is read-only", "Mount it writable, or choose another store."),
    errno.ENOTDIR: ("a file lies where a folder is needed", "Move the file away, or choose another store."),
    errno.EEXIST: ("a file lies where a folder is needed", "Move the file away, or choose another store."),
    errno.EISDIR: ("a folder lies where the file should be", "Move the folder away, or choose another store."),
    errno.ENOTEMPTY: ("a folder lies where the file should be", "Move the folder away, or choose another store."),
    errno.EXDEV: ("the folder spans two file systems", "Keep a store within one file system."),
    errno.ESTALE: ("the network file system lost the file", "Check the mount, and run the same again."),
    errno.EIO: ("the disk reports an input/output error", "Check the disk, or choose another store."),
    errno.EMFILE: ("too many files are open", "Raise the limit (`ulimit -n`)."),
}


def folder_failure(error: OSError, doing: str, path: Path) -> StorageError:
    """A sentence for what failed while ``doing`` (such as ``write``) something with a file or folder."""
    reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), None))
    return StorageError(f"Could not {doing} {path}: {reason}.", hint=hint)
