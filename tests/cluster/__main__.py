"""The test cluster by hand: ``PYTHONPATH=tests python -m cluster VERB``; `make cluster-up` and its like run this."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

from cluster.commands import ClusterError
from cluster.machine.cluster import MachineCluster
from cluster.machine.requirements import install_packages
from cluster.provider import Provider, choose_provider
from cluster.trial import images

_HERE = Path(__file__).parent


def main() -> int:
    """Run one verb; the exit status of the process."""
    arguments = _parser().parse_args()
    try:
        if arguments.verb == "packages":
            install_packages()
            return 0
        provider = choose_provider(_say)
        if arguments.verb == "up":
            provider.up(_absolute(arguments.load))
            _say(f"export KUBECONFIG={provider.kubeconfig}")
            folders = {str(path.parent): None for path in (provider.programs["kubectl"], provider.programs["helm"])}
            _say(f"export PATH={':'.join(folders)}:$PATH")
        elif arguments.verb == "down":
            provider.down()
        elif arguments.verb == "load":
            provider.load(_absolute(arguments.archive))
        elif arguments.verb == "refresh":
            if not isinstance(provider, MachineCluster):
                raise ClusterError("only nodes of this machine can be given code without an image: make image")
            provider.refresh(_HERE.parents[1] / "stilts_core", [image["name"] for image in images().values()])
        elif arguments.verb == "test":
            return _test(provider, _absolute(arguments.load), arguments.pytest)
        else:
            getattr(provider, arguments.verb)(arguments.node)
    except ClusterError as error:
        sys.stderr.write(f"cluster: {error}\n")
        return 1
    return 0


def _test(provider: Provider, archives: list[Path], options: list[str]) -> int:
    """Up, tests, down, whatever becomes of the tests."""
    # a request to stop becomes an exception, so that the cluster is taken down after it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        provider.up(archives)
        # Most tests wait for the cluster most of the time, so two files of them share it; some need it to themselves.
        together = _pytest("-m", "not alone", "--numprocesses=2", "--dist=loadfile", *options)
        return _pytest("-m", "alone", *options) or together
    finally:
        begun = time.monotonic()
        provider.down()
        _say(f"down after {time.monotonic() - begun:.1f} s")


def _pytest(*options: str) -> int:
    command = [sys.executable, "-m", "pytest", str(_HERE), *options]
    return subprocess.run(command, cwd=_HERE.parents[1], check=False).returncode


def _absolute(paths: list[Path]) -> list[Path]:
    return [path.absolute() for path in paths]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description="The cluster that tests/cluster runs on.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("packages", help="install what the machine lacks (as root, with apt-get)")
    up = verbs.add_parser("up", help="bring it up, or start what is missing of it")
    verbs.add_parser("down", help="take it away; programs and images stay in the cache")
    load = verbs.add_parser("load", help="bring image archives to every node")
    load.add_argument("archive", type=Path, nargs="+")
    verbs.add_parser("refresh", help="lay the newest code over the images that the nodes have")
    test = verbs.add_parser("test", help="up, tests/cluster, down")
    test.add_argument("pytest", nargs=argparse.REMAINDER, help="options for pytest")
    for verb_with_images in (up, test):
        meaning = "images that every node has from its start"
        verb_with_images.add_argument("--load", type=Path, action="append", default=[], metavar="ARCHIVE", help=meaning)
    for verb, meaning in (
        ("cut", "unplug a node's cable"),
        ("restore", "plug it in again"),
        ("freeze", "stop a node's kubelet in its tracks"),
        ("thaw", "let it go on"),
        ("power_off", "end everything on a node at once"),
        ("power_on", "start a node again"),
    ):
        verbs.add_parser(verb, help=meaning).add_argument("node")
    return parser


if __name__ == "__main__":
    sys.exit(main())
