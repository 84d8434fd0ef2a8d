# SPDX-License-Identifier: ISC
"""What systemd keeps from the daemon, and what is handed over to it. tests/boot has the same under systemd."""

import fcntl
import json
import os
import pwd
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, SOCKET, call, run, wait_until

UNITS = ("subuidd", "subuidd-mounts", "subuidd-save", "subuidd-userdb", "subuidd-metrics")
HANDED = "/run/subuidd/handed"
SETTINGS = Path("/etc/subuidd.conf.d/90-unit.conf")


def exposed(unit, most):
    """Whether `systemd-analyze security` finds more exposure than that, in tenths."""
    result = run("systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={most}", unit, check=False)
    assert "Overall exposure level" in result.stdout, result
    return result.returncode != 0


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_exposed_to_less_than_3(name, tmp_path):
    unit = ROOT / f"subuidd/{name}.service"
    assert not exposed(unit, 29)
    # the control: it is each of these lines, not the measure
    open_unit = tmp_path / f"{name}.service"
    open_unit.write_text(re.sub(r"^(CapabilityBoundingSet|PrivateNetwork|SystemCallFilter)=.*\n", "", unit.read_text(), flags=re.M))
    assert exposed(open_unit, 29)


def test_the_unit_gives_the_capabilities_of_security_md():
    """test_daemon.py has what the daemon keeps: the same."""
    unit = (ROOT / "subuidd/subuidd.service").read_text()
    section = (ROOT / "SECURITY.md").read_text().split("## Capabilities of the broker")[1].split("\n## ")[0]
    given = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M).group(1).split()
    assert sorted(given) == sorted({name for line in section.splitlines() if line.startswith("| `CAP_")
                                    for name in re.findall(r"CAP_[A-Z_]+", line.split("|")[1])})


def test_each_exposure_has_its_reason():
    """What systemd-analyze finds in the daemon's unit is in the table of docs/design.md, by its name there."""
    result = run("systemd-analyze", "security", "--no-pager", "--offline=true", ROOT / "subuidd/subuidd.service")
    found = {line.split()[1].removeprefix("CapabilityBoundingSet=~") for line in result.stdout.splitlines() if line.startswith("✗")}
    assert len(found) > 10
    text = (ROOT / "docs/design.md").read_text().split("## What systemd keeps from the daemon")[1].split("\n## ")[0]
    assert [name for name in sorted(found) if f"`{name}`" not in text.replace("\\|", "|")] == []


def mounted(path, mounts="/proc/self/mountinfo"):
    """How many times; os.path.ismount() does not see a mount of the same disk."""
    return sum(line.split()[4] == path for line in Path(mounts).read_text().splitlines())


def as_activated(sockets, command):
    """A shell's command with the sockets from 3 on, as the service manager passes them."""
    fds = [fcntl.fcntl(each, fcntl.F_DUPFD, 20) for each in sockets]
    passed = " ".join(f"{to}<&{fd} {fd}<&-" for to, fd in enumerate(fds, 3))
    try:
        return subprocess.Popen(["bash", "-c", f"exec {passed}; export LISTEN_FDS={len(fds)}; {command}"],
                                pass_fds=fds, cwd="/", stderr=open("/run/subuidd-unit.log", "wb"))
    finally:
        for fd in fds:
            os.close(fd)


class Unit:
    """The daemon as in its unit: mounts of its own that do not spread, /etc not to be written, two sockets from the manager."""

    def __init__(self, host, hand_over):
        self.host = host
        SETTINGS.parent.mkdir(mode=0o755, exist_ok=True)
        SETTINGS.write_text("[subid]\npublish = both\n")
        host.stop_daemon()
        begun = time.monotonic()
        self.listener, self.handed = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        for path, each in ((SOCKET, self.listener), (HANDED, self.handed)):
            if os.path.exists(path):
                os.unlink(path)
            each.bind(path)
        os.chmod(SOCKET, 0o666)
        self.listener.listen(64)
        lock = Path("/etc/.pwd.lock")
        if hand_over:
            lock.unlink(missing_ok=True)
            for _ in range(2):  # the first one is of a start that came to nothing
                run("/usr/sbin/subuidd", "--hand-over")
        else:
            lock.touch(0o600)
        inside = ("mount --bind /etc /etc && mount --bind /etc/.pwd.lock /etc/.pwd.lock && mount -o remount,bind,ro /etc && "
                  "export LISTEN_PID=$$ && exec /usr/sbin/subuidd --foreground")
        self.daemon = as_activated([self.listener, self.handed] if hand_over else [self.listener],
                                   f"exec unshare --mount --propagation slave -- bash -c '{inside}'")
        
        def serves():
            assert self.daemon.poll() is None, self.said()
            return "serving" in self.said()

        try:
            wait_until(serves, "the daemon serves")
        except AssertionError:
            self.close()
            raise
        self.took = time.monotonic() - begun

    def said(self):
        return Path("/run/subuidd-unit.log").read_text()

    def within(self, *argv):
        return run("nsenter", "--mount", "--target", str(self.daemon.pid), "--", *argv, check=False)

    def close(self):
        SETTINGS.unlink()
        self.daemon.terminate()
        self.daemon.wait(60)
        for each in (self.listener, self.handed):
            each.close()
        for path in (SOCKET, HANDED):
            os.unlink(path)
        self.host.start_daemon()


@pytest.mark.parametrize("hand_over", [True, False], ids=["handed over", "the control"])
def test_what_is_handed_over_is_changed_on_the_host(host, hand_over):
    owner = host.new_user()
    unit = Unit(host, hand_over)
    try:
        assert unit.within("touch", "/etc/by-its-path").returncode != 0
        host.subuid("add", "web1", user=owner)
        view = f"/srv/subuid/{owner}/web1/view"
        assert mounted(view, f"/proc/{unit.daemon.pid}/mountinfo") > 0
        assert mounted(view) == hand_over
        assert ("does not reach the host" in unit.said()) != hand_over
        ranges = host.subuid("range", "add", "1", "--json", user=owner, check=False)
        assert (ranges.returncode == 0) == hand_over, ranges
        lines = [line for line in Path("/etc/subuid").read_text().splitlines() if line.startswith(f"{owner}:")]
        assert (lines == [f"{owner}:{json.loads(ranges.stdout)['first']}:65536"]) if hand_over else (lines == []), lines
        if not hand_over:
            return
        # and taken off again, of either kind
        host.subuid("set", "web1", "--view", "owner", user=owner)
        assert os.stat(view).st_uid == pwd.getpwnam(owner).pw_uid
        host.subuid("remove", "web1", "--purge", user=owner)
        wait_until(lambda: not os.path.exists(f"/srv/subuid/{owner}/web1"), "it is gone")
        assert f"/srv/subuid/{owner}/" not in Path("/proc/self/mountinfo").read_text()
        assert f"/srv/subuid/{owner}/" not in Path(f"/proc/{unit.daemon.pid}/mountinfo").read_text()
    finally:
        unit.close()


def test_views_that_were_mounted_before_are_seen_and_taken_off(host):
    """A restart: the views of the daemon before are on the host, and the new one is in another namespace."""
    owner = host.new_user()
    unit = Unit(host, True)
    try:
        host.subuid("add", "web1", user=owner)
    finally:
        unit.close()
    view = f"/srv/subuid/{owner}/web1/view"
    assert mounted(view) == 1
    unit = Unit(host, True)
    try:
        assert mounted(view) == 1
        host.subuid("remove", "web1", "--purge", user=owner)
        assert mounted(view) == 0
    finally:
        unit.close()


def test_a_hand_over_waits_for_no_lock(host):
    """Any user can stop a set-uid program that holds shadow's lock."""
    with open("/etc/.pwd.lock", "w") as lock, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as handed:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        handed.bind(HANDED)
        try:
            begun = time.monotonic()
            run("/usr/sbin/subuidd", "--hand-over", timeout=60)
            assert time.monotonic() - begun < 12  # lckpwdf(3) waits for 15
        finally:
            os.unlink(HANDED)


def test_a_message_that_is_not_ours_ends_the_start(host):
    """Only root may send there; a damaged one is no reason to go on with less."""
    host.stop_daemon()
    listener, handed = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for path, each in ((SOCKET, listener), (HANDED, handed)):
        if os.path.exists(path):
            os.unlink(path)
        each.bind(path)
    listener.listen(4)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(HANDED)
        sender.send(b"h")
    try:
        daemon = as_activated([listener, handed], "export LISTEN_PID=$$; exec /usr/sbin/subuidd --foreground")
        assert daemon.wait(60) == 1 and "--hand-over" in Path("/run/subuidd-unit.log").read_text()
    finally:
        for path, each in ((SOCKET, listener), (HANDED, handed)):
            each.close()
            os.unlink(path)
        host.start_daemon()
    assert "error" not in call("io.subuidd.Accounts.Status")
