# SPDX-License-Identifier: ISC
"""`remove --purge` as a user runs it: "deleted" is said of what is gone, on each file system, whatever was left in the way."""

import os
from pathlib import Path

import pytest

import filesystems
from conftest import run, wait_until

HOMES = filesystems.HOMES


@pytest.fixture(params=["btrfs", "xfs", "ext4"])
def kind(request, host, tmp_path):
    with filesystems.state_and_homes_on(host, request.param, tmp_path):
        yield request.param


def in_the_way_subvolumes(home, uid):
    """What containers leave: read-only ones in one another, in closed directories."""
    inner = home / "closed/one/two"
    (home / "closed").mkdir()
    run("btrfs", "-q", "subvolume", "create", home / "closed/one")
    run("btrfs", "-q", "subvolume", "create", inner)
    (inner / "file").write_text("x")
    run("btrfs", "-q", "subvolume", "snapshot", "-r", inner, home / "closed/one/kept")
    run("chown", "-R", f"{uid}:{uid}", home / "closed", check=False)  # not what is read-only
    (home / "closed").chmod(0)
    for path in (inner, home / "closed/one"):
        run("btrfs", "property", "set", path, "ro", "true")


def in_the_way_mounts(home, uid):
    for name in ("tmp", "tmp/below", "a b"):
        (home / name).mkdir()
        run("mount", "-t", "tmpfs", "tmpfs", home / name)


def test_what_is_in_the_way_goes_and_deleted_is_said_then(host, kind):
    owner = host.new_user()
    host.subuid("add", "web1", "--owner", owner)
    uid = int(run("id", "-u", f"{owner}+web1").stdout)
    home = HOMES / owner / "web1" / "home"
    if kind == "btrfs":
        in_the_way_subvolumes(home, uid)
    in_the_way_mounts(home, uid)
    session = filesystems.session_of(uid)
    said = host.subuid("remove", "web1", "--purge", user=owner)
    assert "deleted" in said.stdout and "pending" not in said.stdout, said
    assert session.wait(60) < 0
    assert not (HOMES / ".removed" / str(uid)).exists()
    assert f"/{uid}/" not in Path("/proc/self/mountinfo").read_text()
    assert not os.path.lexists(f"/home/{owner}/subuid/web1")
    assert host.subuid("check", user=owner).returncode == 0


def test_what_stays_is_pending_until_it_is_gone(host, kind):
    if kind == "btrfs":
        return  # a subvolume goes with whatever is in it
    owner = host.new_user()
    host.subuid("add", "web1", "--owner", owner)
    uid = int(run("id", "-u", f"{owner}+web1").stdout)
    stuck = HOMES / owner / "web1" / "home" / "stuck"
    stuck.write_text("x")
    os.chown(stuck, uid, uid)
    run("chattr", "+i", stuck)
    said = host.subuid("remove", "web1", "--purge", user=owner, check=False)
    stuck = HOMES / ".removed" / str(uid) / "home" / "stuck"
    try:
        assert "not deleted yet (pending): something in it stays" in said.stdout
        for user in (owner, None):
            assert "not deleted yet (pending): 1" in host.subuid("list", user=user).stdout
        checked = host.subuid("check", check=False)
        assert checked.returncode == 1 and "still there (pending)" in checked.stdout and "something in it stays" in checked.stdout
    finally:
        run("chattr", "-i", stuck)
    host.restart_daemon()
    wait_until(lambda: not stuck.parent.parent.exists(), "deleted")
    wait_until(lambda: "pending" not in host.subuid("list", user=owner).stdout, "and not pending any more")
    assert host.subuid("check").returncode == 0


# ---- the clock

DAY, HOUR = 86400, 3600


def test_a_clock_that_runs_ahead_deletes_nothing(host, tmp_path):
    """A second account, which is to go at once, tells when the daemon has looked. The controls: what is due by both clocks goes, and
    not in the first hour after a start."""
    owner = host.new_user()

    def removed(label, *options):
        host.subuid("add", label, "--owner", owner)
        uid = int(run("id", "-u", f"{owner}+{label}").stdout)
        stuck = HOMES / owner / label / "home" / "stuck"
        stuck.write_text("x")
        run("chattr", "+i", stuck)
        host.subuid("remove", f"{owner}+{label}", *options)
        place = HOMES / ".removed" / str(uid)
        run("chattr", "-i", place / "home" / "stuck")
        return place

    kept = removed("kept")
    for n, (ahead, running, goes) in enumerate([
            (31 * DAY, 2 * HOUR, False), (400 * DAY, 2 * HOUR, False), (-400 * DAY, 2 * HOUR, False), (31 * DAY, 0, False),
            (0, 31 * DAY, False), (31 * DAY, 31 * DAY, True)]):
        at_once = removed(f"at-once-{n}", "--purge")
        with host.daemon_ahead(tmp_path, ahead, running):
            wait_until(lambda: not at_once.exists(), "the daemon has looked")
            if goes:
                wait_until(lambda: not kept.exists(), "its time is over")
            else:
                host.subuid("check", check=False)
                assert kept.exists(), (ahead, running)
