# SPDX-License-Identifier: ISC
"""What one key can cost the host and the other keys of its account. Each attack has its control beside it."""

import os
import pwd
import re
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, run, wait_until
from gate_fixture import UID, gate  # noqa: F401


def running(uid, name="rsync"):
    return run("pgrep", "-u", str(uid), "-x", name, check=False).stdout.split()


def hole(directory, uid):
    directory.mkdir(exist_ok=True)
    for i in range(20):
        path = directory / f"hole{i}"
        path.touch()
        os.truncate(path, 8 << 40)
        os.chown(path, uid, uid)
    os.chown(directory, uid, uid)


def pulls_holes(words, target):
    """A client that reads holes, and has gone away the hard way; its pid is nobody's any more."""
    return subprocess.Popen(["rsync", "-rc", "-e", words, target, "/tmp/never/"], start_new_session=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_run_ends_when_its_client_is_gone(host, tmp_path, gate):
    owner, name, key = host.account(tmp_path, "pull")
    uid = pwd.getpwnam(name).pw_uid
    hole(Path(f"/srv/subuid/{owner}/web1/home/d"), uid)
    hole(gate.home / "d", UID)
    clients = [pulls_holes(" ".join(["ssh", *host.ssh_options(key)]), f"{name}@127.0.0.1:d/"),
               pulls_holes(gate.server(), "host:d/")]
    wait_until(lambda: running(uid) and running(UID), "both read")
    time.sleep(1)
    for client in clients:
        os.killpg(client.pid, signal.SIGKILL) if client is clients[0] else client.kill()
        client.wait()
    try:
        wait_until(lambda: run("pgrep", "-u", str(uid), check=False).returncode != 0, "nothing of it runs", 6)
        assert running(UID), "the control: a gate that nobody watches goes on"
    finally:
        for pid in running(UID):
            os.kill(int(pid), signal.SIGKILL)


# ---- locks

LOCKER = Path("/usr/local/lib/subuid-locker")


@pytest.fixture
def locker():
    run("cc", "-O1", "-static", "-o", LOCKER, ROOT / "tests/e2e/locker.c")
    profile = Path("/etc/subuidd/tools.d/locker.conf")
    profile.parent.mkdir(parents=True, exist_ok=True)
    forms = "".join(f"[{form}]\nrun = {LOCKER}\n" for form in ("read-write", "read-only", "append-only"))
    profile.write_text(f"command = locker\nexecute = {LOCKER}\n{forms}new-files-only = yes\n")
    yield LOCKER
    profile.unlink()
    LOCKER.unlink()


def locks_held(process):
    line = process.stdout.readline()
    assert line.startswith("locks "), line
    return int(line.split()[1])


# The control: a key that may write holds its locks as any writer does.
@pytest.mark.parametrize("form, busy", [("--read-only", False), ("--append-only", False), (None, True)])
def test_a_tool_that_cannot_write_holds_up_no_push(host, tmp_path, locker, form, busy):
    owner, name, key = host.account(tmp_path, "locker", "web1", None, *([form] if form else []))
    push = host.new_key(tmp_path, "push")
    host.subuid("key", "add", "web1", "-", "--role", "push", user=owner, input=Path(f"{push}.pub").read_text())
    holds = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "locker"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    assert (locks_held(holds) != 0) == busy
    pushed = host.rsync(push, "-a", "/etc/hostname", f"{name}@127.0.0.1:", check=False)
    assert ("busy" in pushed.stderr) == busy and (pushed.returncode != 0) == busy, pushed
    holds.communicate(timeout=10)


@pytest.mark.parametrize("gated", [True, False], ids=["gate", "control"])
def test_a_pull_taken_over_holds_up_no_push(gate, locker, gated):
    lower = f"setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps=-all"
    what = f"exec {lower} {gate.gate} -ro -fake-super {gate.home}" if gated else f"cd {gate.home} && exec {lower} {locker}"
    holds = subprocess.Popen(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", f"mount --bind {locker} /usr/bin/rsync && {what}"],
        env={"SSH_ORIGINAL_COMMAND": "rsync --server --sender -r . .", "PATH": os.environ["PATH"]}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    assert (locks_held(holds) == 0) == gated
    (gate.src / "f").write_text("x")
    pushed = gate.rsync("-a", f"{gate.src}/", "host:", check=False)
    assert (pushed.returncode == 0) == gated, pushed.text
    assert gated or "busy" in pushed.text
    holds.communicate(timeout=10)
