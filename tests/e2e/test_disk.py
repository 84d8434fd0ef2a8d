# SPDX-License-Identifier: ISC
"""A full disk keeps nobody in: locking, removing keys and accounts, and ending sessions go on."""

import contextlib
import json
import os
import pwd
import signal
import subprocess
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


def manages(host, owner, key):
    """The same for a key with which an owner manages."""
    kind, blob = Path(f"{key}.pub").read_text().split()[:2]
    asked = run("/usr/libexec/subuidd/authorized-keys", owner, kind, blob, str(pwd.getpwnam(owner).pw_uid), user="subuidd-keys", check=False)
    return blob in asked.stdout


def manage_key_of(host, tmp_path, owner, name="manage"):
    key = host.new_key(tmp_path, name)
    return host.subuid_json("manage-key", "add", f"{key}.pub", "--owner", owner)["id"], key


@pytest.mark.parametrize("what", ["bytes", "inodes"])
def test_a_full_disk_keeps_nobody_in(host, tmp_path, disk, what):
    owner = host.new_user()
    host.subuid("limit", owner, "--accounts", "200")
    accounts, key = accounts_of(host, tmp_path, owner, 2 * MANY + 1)
    thief = accounts.pop(f"web{2 * MANY}")
    home = filesystems.HOMES / owner / f"web{2 * MANY}" / "home"
    labels = list(accounts)
    manage_id, manage_key = manage_key_of(host, tmp_path, owner)
    with filesystems.filled(thief, home, what):
        added = host.subuid("add", "more", "--owner", owner, check=False)
        assert added.returncode != 0
        for label in labels[:MANY]:
            session = filesystems.session_of(accounts[label])
            result = host.subuid("lock", f"{owner}+{label}", check=False)
            assert result.returncode == 0, (label, result.stderr)
            assert session.wait(60) < 0
            assert host.subuid_json("show", f"{owner}+{label}")["account"]["locked"]
        for label in labels[:MANY]:
            key_id = host.subuid_json("key", "list", f"{owner}+{label}")[0]["id"]
            result = host.subuid("key", "remove", f"{owner}+{label}", str(key_id), check=False)
            assert result.returncode == 0, (label, result.stderr)
            assert not logs_in(host, f"{owner}+{label}", key)
        assert manages(host, owner, manage_key)
        host.subuid("manage-key", "remove", str(manage_id), "--owner", owner)
        assert not manages(host, owner, manage_key)
        for label in labels[MANY:]:
            session = filesystems.session_of(accounts[label])
            assert logs_in(host, f"{owner}+{label}", key)
            host.subuid("remove", f"{owner}+{label}", check=False)  # its data may have to wait for room
            assert session.wait(60) < 0
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

    wait_until(settled, "what was removed is away")
    # btrfs gives room back at its next commit
    wait_until(lambda: host.subuid("add", "more", "--owner", owner, check=False).returncode == 0, "and there is room again")
    assert host.subuid("check").returncode == 0


@contextlib.contextmanager
def store_unwritable(host):
    """Its log alone: as if the reserve had been used up too."""
    strace = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-P", "/var/lib/subuidd/state.db-wal", "-e", "trace=pwrite64",
                               "-e", "inject=pwrite64:error=ENOSPC", "-p", str(host.daemon.pid)])
    try:
        wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace attached")
        yield
    finally:
        strace.terminate()
        strace.wait()


@pytest.mark.parametrize("how, then", [("--purge", "restart"), ("--purge", "kill"), ("--keep-home", "restart"), ("--purge", "unlock")])
def test_a_removal_that_cannot_be_recorded_goes_on_later(host, tmp_path, how, then):
    owner, name, key = host.account(tmp_path, label=f"gone{how.strip('-')[0]}{then[0]}")
    label = name.split("+")[1]
    home = filesystems.HOMES / owner / label
    uid = host.subuid_json("show", name)["account"]["uid"]
    with store_unwritable(host):
        result = host.subuid("remove", label, how, "--yes", user=owner, check=False)
        assert result.returncode == 1 and "its removal is not recorded" in result.stderr, result
        assert "is tried again" in result.stderr, result
        shown = host.subuid_json("show", name)["account"]
        assert shown["locked"] and shown["state"] == "removing", shown
        assert "removing" in host.subuid("list", user=owner).stdout
        assert "its removal is pending" in host.subuid("check", user=owner, check=False).stdout
        again = host.subuid("add", label, user=owner, check=False)  # it would be told that it is there, and lose it
        assert again.returncode == 1 and "its removal is pending" in again.stderr, again
        if then == "kill":
            host.stop_daemon(signal.SIGKILL)
    if then == "unlock":  # taken back
        host.subuid("unlock", label, user=owner)
        host.restart_daemon()
        assert host.subuid_json("show", name)["account"]["state"] == "active" and (home / "home").exists()
        assert logs_in(host, name, key)
        assert host.subuid("check", user=owner).returncode == 0
        return
    if then == "restart":
        host.restart_daemon()
    else:
        host.start_daemon()
    wait_until(lambda: host.subuid("show", name, check=False).returncode == 3, "it is gone")
    wait_until(lambda: not home.exists(), "its home is away")
    wait_until(lambda: host.subuid("check", user=owner).returncode == 0, "nothing is left to say")
    aside = filesystems.HOMES / ".removed" / str(uid)
    wait_until(lambda: aside.exists() == (how == "--keep-home"), "its data is deleted, or kept")


def test_a_key_whose_removal_cannot_be_recorded_is_not_there_already(host, tmp_path):
    """To add it again is no success, since it is refused from now on."""
    owner, name, key = host.account(tmp_path)
    line = Path(f"{key}.pub").read_text()
    number = host.subuid_json("key", "list", "web1", user=owner)[0]["id"]
    assert host.subuid("key", "add", "web1", "-", user=owner, input=line).returncode == 0  # the control
    with store_unwritable(host):
        assert host.subuid("key", "remove", "web1", str(number), user=owner, check=False).returncode == 1
        again = host.subuid("key", "add", "web1", "-", user=owner, input=line, check=False)
        assert again.returncode == 1 and "the removal of the key is pending" in again.stderr, again
    wait_until(lambda: host.subuid_json("key", "list", "web1", user=owner) == [], "it is gone")
    assert host.subuid("key", "add", "web1", "-", user=owner, input=line).returncode == 0


@pytest.mark.parametrize("then", ["restart", "kill", "rebuild", "owner"])
def test_a_manage_key_whose_removal_cannot_be_recorded_admits_nobody(host, tmp_path, then):
    owner = host.account(tmp_path)[0]
    gone, key = manage_key_of(host, tmp_path, owner, "gone")
    kept = manage_key_of(host, tmp_path, owner, "kept")[1]
    assert manages(host, owner, key)
    with store_unwritable(host):
        for _ in range(2):
            result = host.subuid("manage-key", "remove", str(gone), user=owner, check=False)
            assert result.returncode == 1 and "refused from now on, but its removal is not recorded" in result.stderr, result
            assert "is tried again" in result.stderr, result
            assert not manages(host, owner, key)
        again = host.subuid("manage-key", "add", f"{key}.pub", "--owner", owner, check=False)
        assert again.returncode == 1 and "the removal of the key is pending" in again.stderr, again
        if then == "kill":
            host.stop_daemon(signal.SIGKILL)
        if then == "rebuild":
            Path("/var/lib/subuidd/keys").unlink()
            host.subuid("lock", f"{owner}+web1", check=False)
            assert not manages(host, owner, key) and manages(host, owner, kept)
    if then == "owner":  # the same person, under another uid
        uid = pwd.getpwnam(owner).pw_uid + 5000
        run("usermod", "-u", str(uid), owner)
        host.subuid("owner", owner, owner)
        assert not manages(host, owner, key) and manages(host, owner, kept)
    if then == "kill":
        host.start_daemon()
    else:
        host.restart_daemon()
    assert not manages(host, owner, key) and manages(host, owner, kept)
    wait_until(lambda: len(host.subuid_json("manage-key", "list", "--owner", owner)) == 1, "the store has it, too")
    assert [row for row in host.subuid_json("audit", "--owner", owner) if row["action"] == "manage-key.remove" and "late" in row["detail"]]
    assert host.subuid("check", user=owner).returncode == 0
