"""What the images promise. `make test-image` builds them first; Docker or podman runs them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stilts_core import __version__

ROOT = Path(__file__).resolve().parents[2]
BUILD = "containers/build.sh"
LIGHT_BYTES = 500_000_000
REBUILD_SECONDS = 90
COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "tcc", "nvcc", "rustc", "go", "make")
CONTEXT = ("Dockerfile", ".dockerignore", "containers", "requirements", "pyproject.toml", "README.md", "stilts_core")


def ask(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def engine() -> str:
    found = ask(BUILD, "engine")
    if found == "buildah":
        pytest.fail("buildah builds images, but running them here needs podman or Docker: apt-get install podman")
    return found


@pytest.fixture(scope="module")
def light() -> str:
    return ask("env", "TARGETS=light", BUILD, "names")


@pytest.fixture(scope="module")
def training() -> str:
    return ask("env", "TARGETS=training", BUILD, "names")


@pytest.fixture(scope="module", params=["light", "training"])
def image(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def inspect(engine: str, image: str) -> dict:
    return json.loads(ask(engine, "image", "inspect", image))[0]


def run(engine: str, image: str, *command: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The command in a container as a pod of the restricted standard would have it, without any network."""
    # The engines' own defaults are above what root may set in a small virtual machine.
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
    restricted = ["--read-only", "--tmpfs=/tmp", "--network=none", "--cap-drop=all", "--security-opt=no-new-privileges"]
    return subprocess.run(
        [engine, "run", "--rm", *restricted, *limits, *flags, "--entrypoint", command[0], image, *command[1:]],
        capture_output=True,
        text=True,
        check=False,
    )


def output(engine: str, image: str, *command: str, flags: tuple[str, ...] = ()) -> str:
    done = run(engine, image, *command, flags=flags)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_light_image_is_small(engine: str, light: str) -> None:
    size = inspect(engine, light)["Size"]
    print(f"\nlight image: {size / 1e6:.0f} MB")
    assert size < LIGHT_BYTES


def test_what_an_image_says_of_itself(engine: str, image: str) -> None:
    config = inspect(engine, image)["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["stilts"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.title"].startswith("stilts")
    assert labels["org.opencontainers.image.revision"]


def test_the_user_is_nobody_and_can_write_to_the_scratch_folder_alone(engine: str, image: str) -> None:
    assert output(engine, image, "id", "-u") == "65532"
    find = "find / -xdev -writable -not -type l -not -path '/dev*' -not -path '/proc*' -not -path '/run*'; true"
    found = output(engine, image, "sh", "-c", find).splitlines()
    assert [path for path in found if path not in {"/tmp", "/var/tmp", "/var/lock"}] == []


def test_the_entry_point_answers(engine: str, image: str) -> None:
    assert "Usage: stilts" in output(engine, image, "stilts", "--help")
    assert output(engine, image, "stilts", "--version").endswith(__version__)


def test_the_light_image_plans(engine: str, light: str) -> None:
    jobs = ("--volume", f"{ROOT / 'jobs'}:/jobs:ro")
    assert "xnli" in output(engine, light, "stilts", "plan", "/jobs/quickstart.yaml", flags=jobs)


def test_the_light_image_has_what_the_driver_needs_and_no_torch(engine: str, light: str) -> None:
    needed = "boto3, jinja2, kubernetes.client, kubernetes.watch, numpy, prometheus_client, pyarrow.parquet, rich.live"
    output(engine, light, "python", "-c", f"import {needed}")
    assert run(engine, light, "python", "-c", "import torch").returncode != 0


def test_the_light_image_analyses_a_table(engine: str, light: str, tmp_path: Path) -> None:
    """Statistics, Parquet and the report work with what is left of their packages."""
    table = tmp_path / "mine.csv"
    table.write_text(
        "curriculum,target,language,seed,value\n"
        + "".join(
            f"{curriculum},xnli,{code},{seed},{60 + gain + seed / 10 + place}\n"
            for curriculum, gain in (("baseline", 0), ("mnli", 3), ("qqp", 0.1))
            for place, code in enumerate(("en", "de", "sw"))
            for seed in range(4)
        )
    )
    table.chmod(0o644)
    tmp_path.chmod(0o755)
    mounted = ("--volume", f"{tmp_path}:/tables:ro")
    assert "mnli" in output(engine, light, "stilts", "analyse", "/tables/mine.csv", flags=mounted)
    code = (
        "import scipy.stats as s, scipy.optimize; from stilts_core.analysis.statistics import paired, power, ranking; "
        "import pyarrow.dataset, pyarrow.fs; s.wilcoxon([1.0, 2.0, 3.5]); print(s.nct.cdf(1.0, 4, 0.5))"
    )
    output(engine, light, "python", "-c", code)


def test_credentials_can_come_from_where_boto3_finds_them(engine: str, image: str) -> None:
    """The descriptions of the services that it asks are there; those of all others are not."""
    code = (
        "import boto3; services = ('s3', 'sts', 'sso', 'sso-oidc'); "
        "print([boto3.client(name, region_name='eu-central-1').meta.service_model.service_name for name in services])"
    )
    assert output(engine, image, "python", "-c", code) == "['s3', 'sts', 'sso', 'sso-oidc']"


def test_the_training_image_has_what_stages_need(engine: str, training: str) -> None:
    """Imports of what stages import; none may want a compiler, the network or a root that can be written."""
    needed = "boto3, datasets, deepspeed, safetensors.torch, sentencepiece, tokenizers, torch, transformers"
    code = f"import {needed}; torch.ones(2) @ torch.ones(2); print(torch.version.cuda)"
    cpu = ("--env", "DS_ACCELERATOR=cpu")
    assert output(engine, training, "python", "-c", code, flags=cpu).splitlines()[-1] != "None"


def test_any_user_can_run_the_training_image(engine: str, training: str) -> None:
    """Some platforms give pods a uid that no file knows."""
    flags = ("--user", "1000680000", "--env", "DS_ACCELERATOR=cpu")
    code = "import getpass, torch, deepspeed; print(getpass.getuser())"
    assert output(engine, training, "python", "-c", code, flags=flags).splitlines()[-1] == "stilts"


def test_the_supervisor_refuses_bad_arguments_in_a_sentence(engine: str, training: str) -> None:
    done = run(engine, training, "python", "-m", "stilts_core.engine.kubernetes.supervisor", "--no-such-option")
    assert done.returncode == 64, done.stderr
    assert "Traceback" not in done.stderr


def test_there_is_no_compiler(engine: str, image: str) -> None:
    found = output(engine, image, "sh", "-c", f"for name in {' '.join(COMPILERS)}; do command -v $name; done; true")
    assert found == ""


def test_every_module_is_compiled(engine: str, image: str) -> None:
    code = (
        "import importlib.util as u, sys, sysconfig, pathlib as p; "
        "import stilts_core.cli.main, stilts_core.cli.run, yaml, json, click; "
        "print([m.__file__ for m in sys.modules.values() if (getattr(m, '__file__', None) or '').endswith('.py') "
        "and not p.Path(u.cache_from_source(m.__file__)).exists()])"
    )
    assert output(engine, image, "python", "-c", code) == "[]"


def host_names() -> Iterator[str]:
    """What would tell where an image was built."""
    yield str(ROOT)
    if Path.home() != Path("/root"):
        yield str(Path.home())
    if len(socket.gethostname()) > 6:
        yield socket.gethostname()
    settings = [os.environ.get(name, "") for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")]
    pip = subprocess.run(
        ["python3", "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    for url in [*settings, pip.stdout.strip()]:
        host = urlsplit(url).hostname
        if host and host != "pypi.org":
            yield host


def test_nothing_tells_where_an_image_was_built(engine: str, image: str) -> None:
    names = list(host_names())
    history = ask(engine, "history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    config = json.dumps(inspect(engine, image)["Config"])
    assert [name for name in names if name in history or name in config] == []
    wanted = [argument for name in names for argument in ("-e", name)]
    places = ("/etc", "/opt", "/root", "/run", "/srv", "/usr/local", "/var")
    found = run(engine, image, "grep", "-rlaFs", "--devices=skip", *wanted, *places, flags=("--user", "0")).stdout
    own = {"/etc/hosts", "/etc/hostname", "/run/.containerenv"}  # the engine writes them into each container
    assert [path for path in found.splitlines() if path not in own] == []


def test_no_setting_of_the_build_is_left(engine: str, image: str) -> None:
    left = "ls -A /run/secrets /root /var/tmp 2>/dev/null; find / -xdev -name '*.conf' -path '*pip*'; true"
    found = output(engine, image, "sh", "-c", left, flags=("--user", "0")).splitlines()
    assert [line for line in found if line and not line.endswith(":") and line not in {".bashrc", ".profile"}] == []


def test_a_change_of_code_rebuilds_in_seconds(engine: str, tmp_path: Path) -> None:
    for name in CONTEXT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, tmp_path / name)
    with (tmp_path / "stilts_core" / "model.py").open("a") as module:
        module.write(f"\n# changed at {time.time()}\n")
    environment = {**os.environ, "REGISTRY": "localhost/changed", "CONTAINER_ENGINE": engine}
    started = time.monotonic()
    done = subprocess.run([tmp_path / BUILD, "images"], env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    print(f"\nboth images after a change of code: {seconds:.1f} s")
    subprocess.run([engine, "rmi", f"localhost/changed/stilts:{__version__}"], check=True, capture_output=True)
    subprocess.run([engine, "rmi", f"localhost/changed/stilts-train:{__version__}"], check=True, capture_output=True)
    assert seconds < REBUILD_SECONDS
