# SPDX-License-Identifier: ISC
"""A full disk keeps nobody in: locking, removing keys and accounts, and ending sessions go on."""

import json
import os
from pathlib import Path

import pytest

import filesystems
from conftest import call, run, wait_until

MANY = 50  # one after another


@pytest.fixture(params=list(filesystems.KINDS))
def disk(request, host, tmp_path):
    with filesystems.state_and_homes_on(host, request.param, tmp_path) as top:
        yield top


def accounts_of(host, tmp_path, owner, count):
    """So many sub-accounts with a key each, by name: uid; and the private key."""
    key = host.new_key(tmp_path, "key")
    public = Path(f"{key}.pub").read_text().strip()
    found = {}
    for n in range(count):
        reply = call("io.subuidd.Accounts.Add", {"label": f"web{n}", "owner": owner, "key": {"key": public}})
        found[f"web{n}"] = reply["parameters"]["account"]["uid"]
    return found, key


def logs_in(host, name, key):
    """Whether sshd is given this key for this account, by what it asks."""
    kind, blob = Path(f"{key}.pub").read_text().split()[:2]
    asked = run("/usr/libexec/subuidd/authorized-keys", name, kind, blob, user="subuidd-keys", check=False)
    return blob in asked.stdout


@pytest.mark.parametrize("what", ["bytes", "inodes"])
def test_a_full_disk_keeps_nobody_in(host, tmp_path, disk, what):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "200")
    accounts, key = accounts_of(host, tmp_path, owner, 2 * MANY + 1)
    thief = accounts.pop(f"web{2 * MANY}")
    home = filesystems.HOMES / owner / f"web{2 * MANY}" / "home"
    labels = list(accounts)
    with filesystems.filled(thief, home, what):
        added = host.subuid("add", "more", "--owner", owner, check=False)
        assert added.returncode != 0
        for label in labels[:MANY]:
            session = filesystems.session_of(accounts[label])
            result = host.subuid("lock", f"{owner}+{label}", check=False)
            assert result.returncode == 0, (label, result.stderr)
            assert session.wait(10) < 0
            assert host.subuid_json("show", f"{owner}+{label}")["account"]["locked"]
        for label in labels[:MANY]:
            key_id = host.subuid_json("key", "list", f"{owner}+{label}")[0]["id"]
            result = host.subuid("key", "remove", f"{owner}+{label}", str(key_id), check=False)
            assert result.returncode == 0, (label, result.stderr)
            assert not logs_in(host, f"{owner}+{label}", key)
        for label in labels[MANY:]:
            session = filesystems.session_of(accounts[label])
            assert logs_in(host, f"{owner}+{label}", key)
            host.subuid("remove", f"{owner}+{label}", check=False)  # its data may have to wait for room
            assert session.wait(10) < 0
            assert not logs_in(host, f"{owner}+{label}", key)
            assert run("getent", "passwd", f"{owner}+{label}", check=False).returncode != 0
        # The control: it is as full as it was.
        assert host.subuid("add", "more", "--owner", owner, check=False).returncode != 0
        host.restart_daemon()
        assert host.subuid_json("show", f"{owner}+{labels[0]}")["account"]["locked"]
        host.subuid("lock", f"{owner}+{labels[1]}")
    run("find", home, "-mindepth", "1", "-delete")

    def settled():
        return {row["label"] for row in host.subuid_json("list", "--owner", owner)} == {*labels[:MANY], f"web{2 * MANY}"}

    wait_until(settled, "what was removed is away", 60)
    # btrfs gives room back at its next commit
    wait_until(lambda: host.subuid("add", "more", "--owner", owner, check=False).returncode == 0, "and there is room again", 60)
    assert host.subuid("check").returncode == 0
