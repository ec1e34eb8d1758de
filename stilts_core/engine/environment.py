"""What the processes of stages find in their environment."""

from __future__ import annotations

import os
from pathlib import Path

ENVIRONMENT = {
    # Ranks and stages share cores, so a waiting thread must not spin for long; a few microseconds of it spare most of
    # the sleeping and waking between two small operations, which would take longer than they do.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "1000",
    "OPENBLAS_NUM_THREADS": "1",  # its pool would start on import, and a fork copies no thread
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # the same of pyarrow's allocator
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # a CUDA call before the fork would forbid CUDA after it
    "PYTHONUNBUFFERED": "1",
}


def stage_environment() -> dict[str, str]:
    """This process's environment, as stages are to have it."""
    environment = {**os.environ, **ENVIRONMENT}
    if not any(Path("/dev").glob("nvidia[0-9]*")):  # a container may have any one of them
        environment["DS_ACCELERATOR"] = "cpu"
    return environment
