# SPDX-License-Identifier: ISC
"""The tracer (tracer.c) around something that is done, and what it wrote."""

import contextlib
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from world import BUILD, demand, wait_until

TRACE = "/run/trace"


@contextlib.contextmanager
def tracing(trace, *words, attach=None, command=None):
    """The tracer around what is done inside. attach: a World whose daemon runs; command: (role, argv), whose process
    is given to the block."""
    argv = [BUILD / "faults/tracer", "-o", trace, *words]
    if attach is not None:
        pids = [(pid, "forker") for pid in attach.children("subuidd-links")[:1]]  # its children have its name
        pids += [(pid, "worker") for pid in attach.children("worker")] + [(str(attach.daemon.pid), "broker")]
        argv += [word for pid, role in pids for word in ("-p", f"{pid}:{role}")]
    else:
        argv += ["-c", command[0], "--", *command[1]]
    tracer = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd="/",
                              stderr=open("/run/tracer.log", "ab"))
    try:
        demand(tracer.stdout.readline() == b"ready\n", "the tracer cannot trace:", Path("/run/tracer.log").read_text()[-300:])
        yield tracer
    finally:
        with contextlib.suppress(ProcessLookupError):
            tracer.send_signal(signal.SIGTERM)
        tracer.wait(60)
        tracer.stdout.close()


@dataclass
class Traced:
    """One call of a trace."""

    role: str
    syscall: str
    k: int
    pid: int
    arguments: tuple


def read_trace(path):
    """[Traced], and whether the chosen one was reached."""
    calls, hit = [], False
    for line in Path(path).read_text().splitlines():
        words = line.split()
        if len(words) < 6:
            continue  # cut off with the tracer
        calls.append(Traced(words[0], words[1], int(words[2]), int(words[3]), (int(words[4], 16), int(words[5], 16))))
        hit = hit or words[-1] == "hit"
    return calls, hit


def killed_at(world, role, syscall, k, action):
    """A preparation: the daemon has died there."""
    with tracing(TRACE, "-i", f"{role}:{syscall}:{k}:kill", attach=world), contextlib.suppress(OSError):
        action()
    wait_until(lambda: world.daemon.poll() is not None, "the daemon was killed")
    world.daemon = None
