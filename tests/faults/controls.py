# SPDX-License-Identifier: ISC
"""That the judges see what they are there for: promises broken on purpose, each of which has to be found."""

import dataclasses
import shutil

import oracle
from changes import CHANGES, UNIT
from damage import fresh_host
from points import Points
from power import in_child
from tracing import killed_at
from world import HOMES, Violation, World, call, report, run


def add_but(sabotage):
    """An add that is acknowledged, with something done to it before it is judged."""
    add = next(change for change in CHANGES if change.name == "add")
    return dataclasses.replace(add, settled=lambda world, case: sabotage(world, case) or True)


def home_away(world, case):
    run("umount", HOMES / case.owner / case.label / "view")
    shutil.rmtree(HOMES / case.owner / case.label)


def row_away(world, case):
    call("Remove", {"owner": case.owner, "label": case.label})


def left_behind(world, case):
    (HOMES / ".making/1").mkdir(parents=True)


def other_changed(world, case):
    call("LimitSet", {"owner": case.owner, "keys": 3})


def other_account(world, case):
    world.held[(1 << 30) + 5000 * UNIT] = (UNIT, "somebody", None, "live")


# What is done, and what has to be said of it.
SABOTAGE = {
    "a home that is not there": (home_away, "check: "),
    "an account that was acknowledged and is not there": (row_away, "acknowledged, but not so"),
    "something left in .making": (left_behind, ".making"),
    "a change that was not asked for": (other_changed, "changed, and not meant"),
    "an id that nobody knows any more": (other_account, "is known to nobody any more"),
}


def one(world, sabotage, word):
    """Raises when it was not found, or when something else was."""
    world.start_daemon()
    kept = world.owner("kept")
    world.add(kept, "stays", range=UNIT)
    try:
        Points(world, add_but(sabotage), kept).run_one(())
    except Violation as violation:
        if word not in str(violation):
            raise
        return
    finally:
        world.kill_daemon()
    raise Violation("it was not found")


def killed(world):
    world.start_daemon()
    owner = world.owner()
    killed_at(world, "broker", "mkdirat", 1, lambda: call("Add", {"owner": owner, "label": "torn"}))


def controls(world: World, options, stream):
    """The part of unit.py; each on a host of its own."""
    oracle.SOUND_SECONDS = 2  # what is broken on purpose mends itself no sooner
    deeds = {name: (lambda row=row: one(world, *row)) for name, row in SABOTAGE.items()}
    deeds["a daemon that the tracer kills"] = lambda: killed(world)
    for name, deed in deeds.items():
        fresh_host(world)
        why = in_child(deed)
        report(stream, **({"kind": "point", "row": "control", "point": name} if why is None else
                          {"kind": "violation", "row": "control", "point": name, "why": why}))
