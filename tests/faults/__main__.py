"""Run seeds and print what was injected and what held: python -m faults --seeds 10 --from 0."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.update(DS_ACCELERATOR="cpu", OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="1000")
os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="testtesttest", AWS_EC2_METADATA_DISABLED="true")


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults")
    parser.add_argument("--seeds", type=int, default=10, help="how many schedules")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first one's number")
    parser.add_argument("--keep", type=Path, help="a folder for what the failing ones leave")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--training", action="store_true", help="only kills, and only of the trainings")
    which.add_argument("--damage", action="store_true", help="what has committed is damaged, too")
    which.add_argument("--sample-study", action="store_true", help="instead, the sample study on S3 that fails")
    options = parser.parse_args()
    return sample_study(options.first) if options.sample_study else schedules(options)


def sample_study(seed: int) -> int:
    """The sample study on a store that fails now and then."""
    from faults.sample_study import try_sample_study

    root = Path(tempfile.mkdtemp(prefix="stilts-faults-"))
    try:
        broken = try_sample_study(root, seed)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    for line in broken:
        print(f"!! {line}")
    print("BROKEN" if broken else "held: the results are those of a folder, byte for byte")
    return 1 if broken else 0


def schedules(options: argparse.Namespace) -> int:
    """The small study, once for each seed."""
    from faults.schedule import damage_schedule, schedule_of, training_schedule
    from faults.trial import try_schedule, undisturbed
    from stilts_core.training.engine import preload

    draw = training_schedule if options.training else damage_schedule if options.damage else schedule_of
    preload(zero_stage=2)
    root = Path(tempfile.mkdtemp(prefix="stilts-faults-"))
    broken = injected = by_reading = by_doctor = 0
    try:
        wanted, effects = undisturbed(root / "undisturbed")
        print(f"undisturbed: {len(wanted)} stages, {len(effects)} effects", flush=True)
        for seed in range(options.first, options.first + options.seeds):
            verdict = try_schedule(root / str(seed), draw(seed, effects), wanted)
            broken += bool(verdict.broken)
            injected += len(verdict.injected)
            by_reading += verdict.by_reading
            by_doctor += verdict.by_doctor
            print(
                f"seed {seed}: {'BROKEN' if verdict.broken else 'held'}, {verdict.attempts} attempts, "
                f"{verdict.resumed} of them resumed, {verdict.rounds} rounds of {verdict.drivers} drivers, "
                f"{verdict.seconds:.0f} s"
            )
            for line in (*verdict.injected, *(f"!! {each}" for each in verdict.broken)):
                print(f"    {line}")
            sys.stdout.flush()
            if verdict.broken and options.keep:
                shutil.copytree(root / str(seed), options.keep / str(seed), dirs_exist_ok=True)
            shutil.rmtree(root / str(seed))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(
        f"{options.seeds - broken} of {options.seeds} seeds held, {injected} faults: no manifest lost or doubled, "
        "nothing read in part, the results those of the undisturbed run"
    )
    if options.damage:
        print(f"of the damage {by_reading} was found at the next read, {by_doctor} by `stilts doctor --deep`;", end=" ")
        print("what is left are manifests that were lost, whose stages had not committed any more")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
