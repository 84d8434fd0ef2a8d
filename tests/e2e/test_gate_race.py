# SPDX-License-Identifier: ISC
"""Races: while transfers run through the gate, a process of the same account and other sessions of the same key
turn directories, files and links into one another. A tree outside, which the same uid owns, is never read, written,
or changed in any attribute; the control without the gate shows that it would be.

SUBUIDD_RACE_SECONDS makes it longer than the few seconds of `make check`.
"""

import os
import random
import shutil
import subprocess
import threading
import time

import pytest

from gate_fixture import ROOT, UID, gate  # noqa: F401

SECONDS = float(os.environ.get("SUBUIDD_RACE_SECONDS", "6"))
MARK = b"CANARY-outside-the-directory"


def compile_program(gate, name):
    program = gate.base / name.removesuffix(".c")
    subprocess.run(["cc", "-O1", "-o", program, ROOT / "tests/e2e" / name], check=True)
    return program


def canaries(gate):
    """The tree outside, with an access time that any read would move (relatime: it is older than the others)."""
    for name in ("f0", "f1", "f2", "sub/f0", "sub/g", "sub/f1"):
        gate.own(gate.outside / name).write_bytes(MARK)
        os.setxattr(gate.outside / name, "user.mark", b"x")
        subprocess.run(["setfacl", "-m", "u:1234:r", gate.outside / name], check=True)
    for path in (*gate.outside.rglob("*"), gate.outside):
        os.utime(path, (1, 10**9))


def state(gate):
    found = {}
    for path in (gate.outside, *sorted(gate.outside.rglob("*"))):
        st = path.lstat()
        found[str(path)] = (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_nlink, st.st_mtime_ns, st.st_ctime_ns,
                            sorted((n, os.getxattr(path, n)) for n in os.listxattr(path)))
    return found


def times_read(gate):
    # of files: listing the tree here is itself a reading of its directories
    return {str(path): path.lstat().st_atime_ns for path in gate.outside.rglob("*") if path.is_file()}


def sources(gate):
    """Trees of the hostile client: the same names as directories, files and links out."""
    for kind in ("plain", "links", "files"):
        top = gate.src / kind
        (top / "d").mkdir(parents=True)
        if kind == "links":
            for name in ("f0", "f1", "f2", "sub"):
                os.symlink(f"../../outside/{name}", top / "d" / name)
            continue
        for i in range(8):
            (top / "d" / f"f{i}").write_text(f"{kind} {i}")
        if kind == "files":
            (top / "d/sub").write_text("a file")
        else:
            (top / "d/sub").mkdir()
            for name in ("f0", "f1", "g"):
                (top / "d/sub" / name).write_text(kind)
    subprocess.run(["setfacl", "-m", "u:77:rwx", gate.src / "plain/d/f0"], check=True)
    os.setxattr(gate.src / "plain/d/f0", "user.evil", b"y")


PUSHES = [["-a"], ["-aHAX", "--delete"], ["-a", "--inplace"], ["-aI", "-b", "--backup-dir=/d/sub"], ["-aI", "--temp-dir=/d"],
          ["-a", "--partial-dir=sub"], ["-aI", "--delay-updates"], ["-aI", "--link-dest=/d/sub"], ["-aI", "--copy-dest=../d"],
          ["-rlpt", "--chmod=a+rwx"], ["-a", "--super"], ["-aI", "-M--log-file=/d/f0"], ["-ac"], ["-a", "--append"]]
PULLS = ["host:d/", "host:d", "host:d/f0", "host:d/sub/", "host:d/sub/f0", "host:l/", "host:d/./sub/f1"]


def client(gate, gated, end, number, leaks):
    """One session after the other; what it gets goes to a directory of its own."""
    choose = random.Random(number)
    back = gate.base / f"back{number}"
    while time.monotonic() < end and not leaks:
        if choose.random() < 0.7:
            kind = choose.choice(["plain", "plain", "links", "files"])
            source, target = choose.choice([("", ""), ("d/", "d"), ("d/", "d/"), ("d/sub", "d/sub"), ("d/f0", "d/f0")])
            gate.rsync(*choose.choice(PUSHES), f"{gate.src}/{kind}/{source}", f"host:{target}", gated=gated, check=False)
        else:
            gate.rsync(choose.choice(["-a", "-aX", "-rt"]), choose.choice(PULLS), f"{back}/", gated=gated, check=False)
            for path in back.rglob("*"):
                if path.is_file() and not path.is_symlink() and MARK in path.read_bytes():
                    leaks.append(str(path))
            shutil.rmtree(back, ignore_errors=True)
        client.runs[number] = client.runs.get(number, 0) + 1


def race(gate, gated, seconds):
    """(what was read, what was changed, how many sessions)"""
    canaries(gate)
    before, reads, leaks = state(gate), times_read(gate), []
    for name in ("d/f0", "d/f1", "d/sub/g"):
        gate.own(gate.home / name, "old")
    (gate.base / "park").mkdir(exist_ok=True)
    os.chown(gate.base / "park", UID, UID)
    flippers = [subprocess.Popen([compile_program(gate, "flipper.c"), gate.home, gate.outside], user=UID, group=UID,
                                 extra_groups=[])]
    client.runs = {}
    server = gate.server(gated)  # written once: the sessions start it at the same time
    gate.server = lambda gated: server
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=client, args=(gate, gated, end, n, leaks)) for n in range(3)]
    changed = {}
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            now = state(gate)
            changed = {name: (before.get(name), now.get(name)) for name in {*before, *now} if before.get(name) != now.get(name)}
            if changed and not gated:
                leaks.append("")  # ends the control
    finally:
        for flipper in flippers:
            flipper.kill()
            flipper.wait()
        del gate.server
    touched = [name for name, when in times_read(gate).items() if when != reads[name]] if not changed else []
    return [leak for leak in leaks if leak] + touched, changed, sum(client.runs.values())


@pytest.mark.parametrize("options", [["-no-lock"], ["-fake-super"], ["-no-lock", "-no-private"], ["-blind"]], ids=" ".join)
def test_nothing_outside_is_read_or_changed(gate, options):
    gate.options = options
    sources(gate)
    read, changed, runs = race(gate, True, SECONDS / 4 * 1.5)
    assert not read and runs >= 5, (read, runs)
    if "-no-private" in options:  # what Landlock leaves open: dates and modes of what the uid owns
        changed = {name: pair for name, pair in changed.items() if pair[1] is None or pair[0] is None
                   or pair[0][4] != pair[1][4]}
    assert not changed, changed


def test_the_race_is_won_without_the_gate(gate):
    sources(gate)
    read, changed, _ = race(gate, False, 30)
    assert read or changed, "the control did not leak: the race harness is broken"


def test_a_directory_that_becomes_a_link_while_rsync_is_held(gate):
    """No luck needed: the swap happens between the gate's look and rsync's."""
    gate.own(gate.outside / "f").write_bytes(MARK)
    gate.own(gate.home / "d/f", "inside")
    program = compile_program(gate, "held_rsync.c")
    os.symlink(gate.outside, gate.home / "evil")

    def held(what, private):
        run = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", f"mount --bind {program} /usr/bin/rsync && cd {gate.home} && "
             f"exec setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps=-all {what}"],
            env={"SSH_ORIGINAL_COMMAND": "rsync --server --sender -r . d/f", "PATH": os.environ["PATH"]}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert run.stdout.readline() == "ready\n"
        os.rename(gate.home / "d", gate.home / "real")
        os.rename(gate.home / "evil", gate.home / "d")
        (gate.home / "go").touch()
        text = run.communicate(timeout=10)[0]
        (gate.home / "go").unlink()
        os.rename(gate.home / "d", gate.home / "evil")
        os.rename(gate.home / "real", gate.home / "d")
        return text.splitlines()

    assert held(f"{gate.gate} -private {gate.home}", True) == ["stat No such file or directory", "open No such file or directory"]
    assert held(f"{gate.gate} -no-private {gate.home}", False) == ["stat ok", "open Permission denied"]
    assert held("rsync --server --sender -r . d/f", False) == ["stat ok", f"read {len(MARK)} {MARK.decode()}"]
