"""Which image a pod runs."""

from __future__ import annotations

from stilts_core.spec.kubernetes import Image, Images


def image_reference(image: Image, images: Images) -> str:
    """What a container's ``image`` says: from the registry that takes the place of others, by digest where known."""
    name = image.name
    if images.registry is not None:
        first, slash, rest = name.partition("/")
        # As every client does, take the first part for a registry only if it looks like a host.
        host = bool(slash) and ("." in first or ":" in first or first == "localhost")
        name = f"{images.registry}/{rest if host else name}"
    return f"{name}@{image.digest}" if image.digest else name
