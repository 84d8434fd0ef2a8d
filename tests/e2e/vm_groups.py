# SPDX-License-Identifier: ISC
"""Control groups on a host without systemd, with all controllers: in a virtual machine, since most build machines have them in
the hierarchies of version 1."""

import pwd
import subprocess
import time
from pathlib import Path

from conftest import wait_until
from test_shell_escape import shell  # noqa: F401: a fixture

GROUPS = Path("/sys/fs/cgroup/subuidd")


def test_a_group_has_the_bounds_of_its_account(host, shell):  # noqa: F811
    owner, name, key = shell
    group = GROUPS / str(pwd.getpwnam(name).pw_uid)
    host.subuid("set", name, "--memory", "256M", "--processes", "40", "--cpu-weight", "30", "--io-weight", "20", "--sessions", "3",
                user=owner)
    session = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "echo in; sleep 300"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert session.stdout.readline() == "in\n"
        said = {file: (group / file).read_text().strip() for file in ("memory.max", "pids.max", "cpu.weight", "io.weight")}
        assert said == {"memory.max": str(256 << 20), "pids.max": str(40 + 3 * 4), "cpu.weight": "30", "io.weight": "default 20"}
        assert GROUPS.stat().st_mode & 0o777 == 0o755  # people see what they use
        assert len((group / "cgroup.procs").read_text().split()) >= 2
    finally:
        session.kill()
        session.wait()
    # it has its effect: what one process may have is not all that two may have together
    script = "x = bytearray(160 << 20); print('HAS', flush=True); import time; time.sleep(1000)"

    def begin():
        return subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", f"python3 -c \"{script}\""],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    one = begin()
    assert one.stdout.readline() == "HAS\n"
    two = begin()
    wait_until(lambda: one.poll() is not None or two.poll() is not None, "one of them is ended")
    events = dict(line.split() for line in (group / "memory.events").read_text().splitlines())
    assert int(events["oom_kill"]) > 0, events
    for client in (one, two):
        client.kill()
        client.wait()
    assert "all of it together" not in Path("/run/subuidd.log").read_text(), "where a group binds it, nobody adds up"


SPINS = 'for i in 1 2; do while :; do :; done & done; echo in; wait'


def used(pids):
    """Ticks of a processor that these processes have had."""
    return sum(sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) for pid in pids)


def shares(accounts, seconds):
    before = [used(pids) for pids in accounts]
    time.sleep(seconds)
    return [used(pids) - begun for pids, begun in zip(accounts, before)]


def test_sessions_of_one_account_take_no_others_share_of_the_processors(host, tmp_path):
    """Six that compute in three sessions of one account, and two in one session of another, on two processors."""
    accounts = [host.account(tmp_path, "shell"), host.account(tmp_path, "shell")]
    groups = [GROUPS / str(pwd.getpwnam(name).pw_uid) for _, name, _ in accounts]
    sessions = [subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", SPINS], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, text=True)
                for (_, name, key), count in zip(accounts, (3, 1)) for _ in range(count)]
    try:
        assert [session.stdout.readline() for session in sessions] == ["in\n"] * 4
        pids = [(group / "cgroup.procs").read_text().split() for group in groups]
        many, few = shares(pids, 20)
        assert few > 200 and many < 1.5 * few, (many, few)
        for pid in sum(pids, []):  # the control: the same processes, and no group
            Path("/sys/fs/cgroup/cgroup.procs").write_text(pid)
        many, few = shares(pids, 20)
        assert many > 2 * few, (many, few)
    finally:
        for session in sessions:
            session.kill()
            session.wait()


SENDS = ("import socket, time\n"
         "kept = []\n"
         "while len(kept) < 900:\n"
         "    kept += socket.socketpair()\n"
         "    for end in kept[-2:]:\n"
         "        end.setblocking(False)\n"
         "        try:\n"
         "            while True:\n"
         "                end.send(b'x' * 32768)\n"
         "        except BlockingIOError:\n"
         "            pass\n"
         "print('has', flush=True); time.sleep(60)")


def test_what_waits_in_sockets_counts(host, shell):  # noqa: F811
    """225 KiB for each, which is no process's memory."""
    owner, name, key = shell
    group = GROUPS / str(pwd.getpwnam(name).pw_uid)
    for bound, said in (("512M", "has\n"), ("96M", "")):  # the first is the control
        host.subuid("set", name, "--memory", bound, user=owner)
        session = subprocess.run(["timeout", "100", "ssh", *host.ssh_options(key), f"{name}@127.0.0.1", f"timeout 50 python3 -c \"{SENDS}\""],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert session.stdout == said, session
    events = dict(line.split() for line in (group / "memory.events").read_text().splitlines())
    assert int(events["oom_kill"]) > 0, events
