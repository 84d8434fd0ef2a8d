# SPDX-License-Identifier: ISC
"""Control groups of accounts where systemd does not run: the daemon makes the place, the session enters, the kernel stops and
ends. In a part of the host's hierarchy that only this file sees: a group, and a namespace whose root that is."""

import contextlib
import ctypes
import os
import pwd
import select
import subprocess
import time
from pathlib import Path

import pytest

from conftest import run, wait_until
from session_fixture import services, text_of
from test_freeze import banner, grows, states
from test_session_ends import LOOKS, process_of, running

CGROUPS = Path("/sys/fs/cgroup")
CLONE_NEWCGROUP = 0x02000000
LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def groups(host):
    """The daemon and sshd run in it; CGROUPS/subuidd."""
    whole = Path("/tmp/whole")
    whole.mkdir()
    run("mount", "-t", "cgroup2", "cgroup2", whole)
    before = next(line[4:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::/"))
    own = whole / f"throwaway-{os.stat('/proc/self/ns/pid').st_ino}"
    own.mkdir()
    (own / "cgroup.procs").write_text("0")
    outside = os.open("/proc/self/ns/cgroup", os.O_RDONLY)
    assert LIBC.unshare(CLONE_NEWCGROUP) == 0
    run("mount", "--bind", own, CGROUPS)
    host.sshd.terminate()
    host.sshd.wait(60)
    host.stop_daemon()
    host.start_daemon()
    host.start_sshd()
    yield CGROUPS / "subuidd"
    host.stop_daemon()
    host.sshd.terminate()
    host.sshd.wait(60)
    assert LIBC.setns(outside, CLONE_NEWCGROUP) == 0
    os.close(outside)
    (whole / before.lstrip("/") / "cgroup.procs").write_text("0")
    run("umount", "-l", CGROUPS)
    for group in (*sorted(own.glob("subuidd/*/"), reverse=True), own / "subuidd", own):
        wait_until(lambda: not (group / "cgroup.procs").read_text(), "nothing is in it")
        group.rmdir()
    run("umount", "-l", whole)
    host.start_daemon()
    host.start_sshd()


class Sftp:
    """A session that stays open, through sshd."""

    def __init__(self, host, key, name):
        self.process = subprocess.Popen(["ssh", *host.ssh_options(key), "-s", f"{name}@127.0.0.1", "sftp"], bufsize=0,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.asked = 0
        self.process.stdin.write(b"\0\0\0\5\1\0\0\0\3")
        assert self.packet(60)[:1] == b"\2"

    def packet(self, seconds):
        """None: there is none within the time."""
        data = b""
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                assert data == b""
                return None
            data += self.process.stdout.read(4 if len(data) < 4 else 4 + int.from_bytes(data[:4], "big") - len(data))
        return data[4:]

    def answers(self, seconds=1.0):
        """Whether it says what the path "." is."""
        self.asked += 1
        number = self.asked.to_bytes(4, "big")
        self.process.stdin.write(b"\0\0\0\12\20" + number + b"\0\0\0\1.")
        while (packet := self.packet(seconds)) is not None:
            if packet[1:5] == number:
                return True
        return False


@contextlib.contextmanager
def session(host, key, name):
    sftp = Sftp(host, key, name)
    try:
        yield sftp
    finally:
        sftp.process.kill()
        sftp.process.communicate()


def members(group):
    return {int(pid) for pid in (group / "cgroup.procs").read_text().split()}


def test_a_session_is_in_the_group_of_its_account(host, groups, tmp_path):
    _, name, key = host.account(tmp_path, "sftp")
    uid = pwd.getpwnam(name).pw_uid
    group = groups / str(uid)
    with session(host, key, name):
        assert set(map(int, running(name))) <= members(group) and running(name)
        assert group.stat().st_uid == 0 and group.stat().st_mode & 0o22 == 0
        tried = run("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "sh", "-c",
                    f"echo 0 >{group}/cgroup.freeze; mkdir {group}/own; echo $$ >{CGROUPS}/cgroup.procs", check=False)
        assert tried.returncode != 0 and tried.stderr.count("ermission denied") == 3, tried.stderr
        assert host.subuid_json("show", name)["use"]["processes"] == len(running(name))
    wait_until(lambda: not group.exists(), "an empty one is removed", LOOKS)
    with session(host, key, name):
        assert members(group), "and made again"


def test_a_session_cannot_write_there_from_its_own_mounts(host, groups, tmp_path):
    _, name, _ = host.account(tmp_path, "sftp")
    group = groups / str(pwd.getpwnam(name).pw_uid)
    with services("sshd,su"):
        said = run("su", "-s", "/bin/sh", name, "-c", "cat /proc/self/cgroup; grep cgroup2 /proc/self/mounts").stdout
    assert f"0::/subuidd/{group.name}\n" in said
    assert all(" ro," in line for line in said.splitlines() if "cgroup2 /" in line)


def test_frozen_by_the_group_it_goes_on_with_it(host, groups, tmp_path):
    """Also sshd's own process for the connection stands; nobody gets a signal, so what stood before stands after."""
    _, name, key = host.account(tmp_path, "sftp")
    group = groups / str(pwd.getpwnam(name).pw_uid)
    with session(host, key, name) as sftp:
        assert sftp.answers(60)
        host.subuid("freeze", name)
        assert "frozen 1" in (group / "cgroup.events").read_text() and "T" not in states(name)
        assert not sftp.answers() and sftp.process.poll() is None
        run("pkill", "-CONT", "-U", pwd.getpwnam(name).pw_uid)
        assert not sftp.answers(), "SIGCONT is no way out"
        host.restart_daemon()
        host.subuid("thaw", name)
        assert "frozen 0" in (group / "cgroup.events").read_text()
        assert sftp.answers(60), "and what it owed"
    assert banner(host, key, name).returncode == 0


def test_a_login_that_a_freeze_overtakes_is_refused(host, groups, tmp_path):
    """Frozen between the stages of PAM: root's process of sshd does not enter what stands."""
    _, name, key = host.account(tmp_path, "sftp")
    group = groups / str(pwd.getpwnam(name).pw_uid)
    assert banner(host, key, name).returncode == 0 and group.exists(), "the control"
    with text_of("/etc/pam.d/sshd", lambda text: f"session required pam_exec.so quiet /usr/bin/subuid freeze {name}\n" + text):
        refused = subprocess.run(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "true"], stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, timeout=60, check=False)
    assert host.subuid_json("show", name)["account"]["frozen"]
    assert refused.returncode != 0 and "frozen" in refused.stderr, refused
    assert not group.exists() or not members(group)
    host.subuid("thaw", name)
    assert banner(host, key, name).returncode == 0


def test_what_is_in_another_group_stands_as_well(host, groups, tmp_path):
    _, name, key = host.account(tmp_path, "sftp")
    uid = pwd.getpwnam(name).pw_uid
    file = tmp_path / "beats"
    file.touch()
    os.chown(file, uid, uid)
    with session(host, key, name) as inside, process_of(name, f"while :; do echo x >>{file}; sleep 0.05; done"):
        wait_until(lambda: file.stat().st_size > 0, "it runs, outside of the group")
        host.subuid("freeze", name)
        assert not grows(file) and not inside.answers()
        host.subuid("thaw", name)
        wait_until(lambda: grows(file), "both go on")
        assert inside.answers(60)


@pytest.mark.parametrize("deed", [["lock"], ["kill"], ["remove", "--purge"]])
def test_a_frozen_group_ends(host, groups, tmp_path, deed):
    _, name, key = host.account(tmp_path, "sftp")
    group = groups / str(pwd.getpwnam(name).pw_uid)
    with session(host, key, name) as sftp:
        host.subuid("freeze", name)
        host.subuid(deed[0], name, *deed[1:])
        sftp.process.wait(60)
        wait_until(lambda: not group.exists() or not members(group), "all of it has ended")


TAKES = "x = bytearray(256 << 20); print(flush=True); import time; time.sleep(1000)"


def test_memory_in_another_users_group_is_theirs(host, groups, tmp_path):
    """A container that the owner runs with the account's ids is bound with the owner."""
    owner, name, _ = host.account(tmp_path, "push", "web1", None, "--memory", "128M")
    uid = pwd.getpwnam(name).pw_uid
    theirs = CGROUPS / "user.slice" / f"user-{pwd.getpwnam(owner).pw_uid}.slice"
    theirs.mkdir(parents=True)
    host.stop_daemon()  # until both are where they are to be
    container, control = (subprocess.Popen(["/usr/bin/python3", "-c", TAKES], user=uid, group=uid, extra_groups=[],
                                           stdout=subprocess.PIPE, start_new_session=True) for _ in range(2))
    try:
        assert container.stdout.readline() == control.stdout.readline() == b"\n"
        (theirs / "cgroup.procs").write_text(str(container.pid))
        host.start_daemon()
        wait_until(lambda: control.poll() is not None, "what is in no group of another user's is ended")
        with subprocess.Popen(["/usr/bin/python3", "-c", TAKES], user=uid, group=uid, extra_groups=[]) as later:
            wait_until(lambda: later.poll() is not None, "so is the next one, by a look that comes after")
        assert container.poll() is None
    finally:
        if host.daemon is None:
            host.start_daemon()
        for process in (container, control):
            process.kill()
            process.wait()
        theirs.rmdir()
        theirs.parent.rmdir()


def test_without_a_place_the_session_goes_on_and_the_doctor_says_so(host, groups, tmp_path):
    _, name, key = host.account(tmp_path, "sftp")
    uid = pwd.getpwnam(name).pw_uid

    def said():
        return {entry["check"]: entry for entry in host.subuid_json("doctor")["checks"]}["control groups"]

    assert "bound neither memory" in said()["found"] or said()["result"] == "good"
    (groups / str(uid)).mkdir()
    (groups / str(uid) / "cgroup.max.descendants").write_text("0")
    (groups / "cgroup.max.descendants").write_text("0")
    other = host.account(tmp_path, "sftp")
    try:
        assert banner(host, other[2], other[1]).returncode == 0, "no group could be made for it"
    finally:
        (groups / "cgroup.max.descendants").write_text("max")
    run("umount", "-l", CGROUPS)
    try:
        assert said()["result"] == "note" and "bounded late, by looking" in said()["found"]
        assert banner(host, key, name).returncode == 0
    finally:
        run("mount", "--bind", next(Path("/tmp/whole").glob("throwaway-*")), CGROUPS)
