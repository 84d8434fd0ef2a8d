# SPDX-License-Identifier: ISC
"""An owner of a hundred thousand accounts still has containers, and enters each account, in every mode of publishing."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, run, wait_until
from test_enter import published

STATE = Path("/var/lib/subuidd")
ACCOUNTS = 100_000
OWNER = "owner00000"  # as fill names them
UNIT = 65536
FILES = [Path("/etc/subuid"), Path("/etc/subgid")]


@pytest.fixture(scope="module", autouse=True)
def many(host):
    """Accounts without homes, straight in the store: of these the maps are what counts."""
    run("useradd", "--create-home", "--uid", "3000000", "--shell", "/bin/bash", OWNER)
    for file in FILES:
        file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith(f"{OWNER}:")))
    host.stop_daemon()
    run(ROOT / "build/bench/fill", STATE, ACCOUNTS, 1, ACCOUNTS)
    host.start_daemon()
    host.subuid("limit", OWNER, "--accounts", ACCOUNTS + 100)


def maps_of_a_container(owner, first):
    """What podman asks newuidmap for: the owner as root, and behind it all that libsubid lists."""
    listed = [line.split()[2:] for line in run("getsubids", owner).stdout.splitlines()]
    assert listed == [[str(first), str(UNIT)]]
    inside = subprocess.Popen(["setpriv", f"--reuid={owner}", f"--regid={owner}", "--init-groups", "unshare", "--user", "cat"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        own = os.readlink("/proc/self/ns/user")
        wait_until(lambda: os.readlink(f"/proc/{inside.pid}/ns/user") != own, "it has a namespace")
        map = ["0", pwd.getpwnam(owner).pw_uid, "1"] + [str(word) for i, (at, count) in enumerate(listed) for word in (1 + i * UNIT, at, count)]
        result = run("newuidmap", inside.pid, *map, user=owner, check=False)
        assert result.returncode == 0, result.stderr
        return Path(f"/proc/{inside.pid}/uid_map").read_text().split()
    finally:
        inside.communicate()


@pytest.mark.parametrize("mode", ["plugin", "both", "files"])
def test_a_container_starts_and_each_account_is_entered(host, mode):
    first = host.subuid_json("range", "list", "--owner", OWNER)[0]["first"]
    with published(host, mode):
        for file in FILES:
            wait_until(lambda: (mode == "plugin") != (f":{first}:{UNIT}\n" in file.read_text()), "the files are as they are to be")
        assert maps_of_a_container(OWNER, first)[3:] == ["1", str(first), str(UNIT)]
        host.subuid("add", mode, user=OWNER)
        uid = pwd.getpwnam(f"{OWNER}+{mode}").pw_uid
        assert host.subuid("exec", mode, "--", "cat", "/proc/self/uid_map", user=OWNER).stdout.split()[3:6] == [str(uid), str(uid), "1"]
        # one without a home, whose uid lies among all the others
        among = pwd.getpwnam(f"{OWNER}+web54321").pw_uid
        assert host.subuid_json("show", f"{OWNER}+web54321")["account"]["uid"] == among
        assert sum(file.read_text().count("\n") for file in FILES) < 100
