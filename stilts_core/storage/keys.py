"""What a key may look like, so that it means the same object in a folder and in S3."""

from __future__ import annotations

import re

from stilts_core.errors import StorageError

INCOMING = ".incoming"
"""First segment that no key has: a folder store keeps unfinished files there."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_KEY_BYTES = 900  # S3 ends at 1024, the prefix of the store included
_MAX_SEGMENT_BYTES = 255  # of a file name


def check_key(key: str) -> str:
    """The key itself.

    Raises:
        StorageError: it is empty, absolute, too long, has an empty, ``.`` or ``..`` segment, or a control character.
    """
    _check(key, key.split("/"))
    return key


def check_prefix(prefix: str) -> str:
    """The beginning of keys, itself: empty, or a key that stops anywhere, so that its last segment says nothing yet.

    Raises:
        StorageError: no key can begin so.
    """
    _check(prefix, prefix.split("/")[:-1])
    return prefix


def _check(key: str, segments: list[str]) -> None:
    """Refuse a key or prefix for its text, or for one of the segments that are whole."""
    if not key and segments:
        reason = "is empty"
    elif any(segment in {"", ".", ".."} for segment in segments):
        reason = "has an empty, `.` or `..` part"
    elif _CONTROL.search(key) or "\\" in key:
        reason = "has a control character or a backslash"
    elif segments and segments[0] == INCOMING:
        reason = f"begins with {INCOMING}/, where unfinished files lie"
    else:
        try:
            sizes = [len(segment.encode()) for segment in key.split("/")]
        except UnicodeEncodeError:
            reason = "is not valid Unicode"
        else:
            if sum(sizes) + len(sizes) <= _MAX_KEY_BYTES and max(sizes) <= _MAX_SEGMENT_BYTES:
                return
            reason = f"is longer than {_MAX_KEY_BYTES} bytes, or a part of it than {_MAX_SEGMENT_BYTES}"
    raise StorageError(
        f"{key!r} cannot be the key of an object: it {reason}.",
        hint="Keys are relative paths with `/`, such as stages/ab/manifest.json; rename the file.",
    )
