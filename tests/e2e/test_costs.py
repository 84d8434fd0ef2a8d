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
