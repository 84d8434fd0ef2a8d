# SPDX-License-Identifier: ISC
"""One part of the faults, in a throwaway root: unit.py KIND [OPTION]... ; writes a line of JSON for each point and
violation to standard output. Run by tests/faults/run."""

import argparse
import collections
import contextlib
import os
import random
import sys
import time
import traceback
from pathlib import Path

import clients
import controls
import damage
import oracle
import power
from changes import CHANGES
from points import Points, name_of, points_of
from world import Violation, World, is_of_time, report


SAMPLE_ROWS = 8


def injections(world, options, stream):
    """kinds kill and error: the changes that were named, each point or a part of them."""
    kept = world.owner("kept")
    key = {"key": world.keys[7]}
    world.write(world.add(kept, "stays", key=key, range=65536), "stays")
    world.write(world.add(kept, "aside"), "set aside")
    world.remove(kept, "aside")
    for change in rows_chosen(options):
        if change.needs and not Path(change.needs).exists():
            report(stream, kind="missing", row=change.name, what=change.needs)
            continue
        if world.publish != change.publish:
            if world.daemon:
                world.stop_daemon()
            world.settings(change.publish)
        world.ensure_daemon()
        each = Points(world, change, kept)
        began = time.monotonic()
        try:
            points = points_of(each.enumerate(), options.kinds, options.every)
        except (Violation, AssertionError, OSError, KeyError) as violation:
            report(stream, kind="violation", row=change.name, point="undisturbed", why=str(violation))
            mend(world, each)
            continue
        chosen = choose(points, options)
        report(stream, kind="row", row=change.name, points=len(points), chosen=len(chosen),
               roles=collections.Counter(f"{point[0]} {'kill' if point[3] == 'kill' else 'error'}" for point in points))
        for number, point in enumerate(chosen):
            if time.monotonic() > options.end:
                report(stream, kind="cut", row=change.name, left=len(chosen) - number)
                break
            why, hit = tried(world, each, point)
            if why is not None and is_of_time(why):
                report(stream, kind="slow", row=change.name, point=name_of(point), why=why[-300:])
                why, hit = tried(world, each, point)
            report(stream, **({"kind": "point", "row": change.name, "point": name_of(point), "hit": hit} if why is None else
                              {"kind": "violation", "row": change.name, "point": name_of(point), "why": why[-1500:]}))
        report(stream, kind="row-end", row=change.name, seconds=round(time.monotonic() - began, 1), to_the_start=each.to_the_start)


def tried(world, each, point):
    """(what was violated or None, whether the point was reached); clean again afterwards."""
    try:
        return None, each.run_one(("-i", ":".join(map(str, point))))
    except Violation as violation:
        why = str(violation)
    except (AssertionError, OSError, KeyError):
        why = traceback.format_exc()
    mend(world, each)
    return why, False


def rows_chosen(options):
    rows = [change for change in CHANGES if not options.rows or change.name in options.rows]
    if options.sample and not options.rows:
        return random.Random(f"{options.seed} {options.kinds}").sample(rows, SAMPLE_ROWS)
    return rows


def choose(points, options):
    """One, a part by a seed, or a slice of all."""
    if options.point:
        return [point for point in points if name_of(point) == options.point]
    if options.sample and len(points) > options.sample:
        step = len(points) / options.sample
        offset = random.Random(f"{options.seed} {len(points)}").random() * step
        return [points[int(offset + number * step)] for number in range(options.sample)]
    number, of = map(int, options.slice.split("/"))
    return points[number::of]


def mend(world, each):
    """After a violation: what it left must not be found again at the points that follow."""
    with contextlib.suppress(Exception):
        world.kill_daemon()
        for lock in Path("/etc").glob("sub?id.lock"):
            lock.unlink()
        world.start_daemon()
        each.clean(each.case())
    with contextlib.suppress(Exception):
        oracle.leftovers_away(world.facts())
        world.held.clear()  # an id that was lost is said once
    world.ensure_daemon()
    each.owner = world.owner()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("unit")
    parser.add_argument("--rows", type=lambda text: text.split(","), default=[])
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=["kill", "error"])
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--point", default="")
    parser.add_argument("--slice", default="0/1")
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=1e9)
    options = parser.parse_args()
    options.end = time.monotonic() + options.seconds
    world = World()
    with os.fdopen(os.dup(1), "w") as stream:  # whatever else is said goes to standard error
        os.dup2(2, 1)
        world.install()
        world.settings()
        world.start_daemon()
        {"points": injections, "power": power.images, "damage": damage.damages,
         "clients": clients.crowd, "control": controls.controls}[options.unit](world, options, stream)
        if world.daemon:
            world.kill_daemon()


sys.exit(main())
