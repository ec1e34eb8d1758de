"""Which image a pod runs, with and without a registry that takes the place of others."""

from __future__ import annotations

import pytest

from stilts_core.engine.kubernetes.images import image_reference
from stilts_core.spec.kubernetes import Image, Images

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("name", "registry", "reference"),
    [
        ("stilts:1.0", None, "stilts:1.0"),
        ("stilts:1.0", "mirror:5000", "mirror:5000/stilts:1.0"),
        ("team/stilts:1.0", "mirror/cache", "mirror/cache/team/stilts:1.0"),
        ("ghcr.io/team/stilts:1.0", "mirror", "mirror/team/stilts:1.0"),
        ("localhost/stilts", "mirror", "mirror/stilts"),
        ("registry:5000/stilts:1.0", "mirror", "mirror/stilts:1.0"),
    ],
)
def test_a_registry_takes_the_place_of_the_one_in_the_name(name: str, registry: str | None, reference: str) -> None:
    images = Images(registry=registry)
    assert image_reference(Image(name=name), images) == reference
    assert image_reference(Image(name=name, digest=DIGEST), images) == f"{reference}@{DIGEST}"
