# SPDX-License-Identifier: ISC
"""Attacks on the privileged parts, each of which has once worked; a control where the attack can be shown to bite."""

import json
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import SOCKET, call_as, call, run, wait_until
from session_fixture import settings

EVIL = """
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void run(void) { close(open("/tmp/owned", O_CREAT | O_WRONLY, 0644)); }
"""


@pytest.fixture
def evil(tmp_path):
    """A library that leaves a trace when anything loads it, and where the trace is."""
    (tmp_path / "evil.c").write_text(EVIL)
    run("gcc", "-shared", "-fPIC", "-o", tmp_path / "evil.so", tmp_path / "evil.c")
    trace = Path("/tmp/owned")
    trace.unlink(missing_ok=True)
    yield tmp_path / "evil.so", trace
    trace.unlink(missing_ok=True)


def test_pushed_dot_files_do_not_reach_the_login(host, tmp_path, evil):
    """Debian's sshd has pam_env with user_readenv: ~/.pam_environment of a push key set LD_PRELOAD of the login shell."""
    library, trace = evil
    owner, name, key = host.account(tmp_path)
    directory = Path(f"/srv/subuid/{owner}/web1")
    (tmp_path / ".pam_environment").write_text(f"LD_PRELOAD DEFAULT={directory}/home/evil.so\n")
    host.rsync(key, "-a", library, tmp_path / ".pam_environment", f"{name}@127.0.0.1:")

    assert pwd.getpwnam(name).pw_dir == str(directory)
    assert directory.stat().st_uid == 0 and os.stat(directory).st_mode & 0o022 == 0
    host.rsync(key, "-a", library, f"{name}@127.0.0.1:again")
    assert not trace.exists()

    # control: where a login reads it from, the same file bites
    os.rename(directory / "home/.pam_environment", directory / ".pam_environment")
    host.rsync(key, "-a", library, f"{name}@127.0.0.1:again")
    assert not trace.exists(), "mapped from a home in which nothing is executed"
    with settings(host, private="no"):
        host.rsync(key, "-a", library, f"{name}@127.0.0.1:again")
    bites = "user_readenv=1" in Path("/etc/pam.d/sshd").read_text()
    os.unlink(directory / ".pam_environment")
    assert trace.exists() == bites


SPINNER = """
#include <signal.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	/* never itself: kill(-1) leaves the caller out */
	for (int number = atoi(argv[argc - 1]);;)
		kill(-1, number);
}
"""


@pytest.fixture(scope="module")
def spinner(tmp_path_factory):
    directory = tmp_path_factory.mktemp("spinner")
    (directory / "spinner.c").write_text(SPINNER)
    run("gcc", "-O2", "-o", "/usr/local/bin/spinner", directory / "spinner.c")
    return "/usr/local/bin/spinner"


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_lock_ends_a_session_that_signals_whatever_has_its_uid(host, tmp_path, spinner, number):
    """What ends the sessions has the uid for kill(2), but must not be within reach of that uid."""
    owner, name, _ = host.account(tmp_path)
    uid = pwd.getpwnam(name).pw_uid
    # control: what has the uid is hit
    control = subprocess.Popen(["sleep", "1000"], user=uid, group=uid, extra_groups=[])
    for _ in range(12):
        spinning = subprocess.Popen([spinner, str(int(number))], user=uid, group=uid, extra_groups=[])
        try:
            wait_until(lambda: Path(f"/proc/{control.pid}/stat").read_text().split()[2] in "TZ", "the control is hit")
            begun = time.monotonic()
            run("/usr/bin/subuid", "lock", "web1", user=owner)
            assert spinning.wait(60) in (-signal.SIGTERM, -signal.SIGKILL)
            assert call("io.subuidd.Accounts.Status")
            assert time.monotonic() - begun < 15  # a child that is hit is given up after twenty
            host.subuid("unlock", "web1", user=owner)
        finally:
            spinning.kill()
    assert control.wait(60) == -signal.SIGKILL


HOLD = """
import os, socket, sys, time
for uid in map(int, sys.argv[1:]):
    if os.fork() == 0:
        os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
        held = []
        for i in range(32):
            peer = socket.socket(socket.AF_UNIX); peer.connect(%r); held.append(peer)
        sys.stdout.write("x"); sys.stdout.flush()
        time.sleep(1000); os._exit(0)
time.sleep(1000)
""" % SOCKET


def held(uids):
    holder = subprocess.Popen(["/usr/bin/python3", "-c", HOLD, *map(str, uids)], stdout=subprocess.PIPE,
                              start_new_session=True)
    assert len(holder.stdout.read(len(uids))) == len(uids)
    return holder


def test_the_ids_of_one_user_do_not_take_all_connections(host):
    """connections_per_uid is no bound for who has a range of uids: 8 of them made the 256 that there are."""
    victim, other = host.new_user(), host.new_user()
    holder = held(range(100000, 100010))
    try:
        assert "error" not in call_as(victim, "io.subuidd.Accounts.Status")
        # control: the bound holds for each user separately
        own = held([pwd.getpwnam(other).pw_uid])
        assert call_as(other, "io.subuidd.Accounts.Status")["error"] == "io.subuidd.Accounts.LimitReached"
        os.killpg(own.pid, signal.SIGKILL)
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
    wait_until(lambda: "error" not in call_as(other, "io.subuidd.Accounts.Status"), "the connections are gone")


RESPAWN = """
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>
int main(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (;; usleep(200))
		if (fork() == 0) {
			setresgid(1, 1, 1);
			setresuid(1, 1, 1);
			usleep(20000);
			_exit(0);
		}
}
"""


def test_sessions_that_are_made_anew_hold_up_their_owner_alone(host, tmp_path):
    """The owner's own process, in a user namespace that has the sub-account's uid, makes new ones faster than they end."""
    owner, name, _ = host.account(tmp_path)
    victim, uid = host.new_user(), pwd.getpwnam(name).pw_uid
    (tmp_path / "respawn.c").write_text(RESPAWN)
    run("gcc", "-o", "/usr/local/bin/respawn", tmp_path / "respawn.c")
    entry = pwd.getpwnam(owner)
    respawn = subprocess.Popen(
        ["unshare", "--map-root-user", f"--map-users={uid},1,1", f"--map-groups={uid},1,1", "/usr/local/bin/respawn"],
        user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], start_new_session=True,
    )
    try:
        wait_until(lambda: run("ps", "-u", uid, check=False).returncode == 0, "it runs")
        lock = subprocess.Popen(["/usr/bin/subuid", "lock", "web1"], user=entry.pw_uid, group=entry.pw_gid,
                                extra_groups=[], stderr=subprocess.PIPE, env={"HOME": entry.pw_dir})
        worst = 0.0
        while worst == 0 or lock.poll() is None:
            begun = time.monotonic()
            assert "error" not in call_as(victim, "io.subuidd.Accounts.Status")
            worst = max(worst, time.monotonic() - begun)
        # A moment without any was seen, or it is said that they cannot be ended; which of the two is a race.
        said = lock.stderr.read()
        assert (lock.returncode == 0) != (b"cannot be ended" in said), (lock.returncode, said)
        assert worst < 4.5, "the broker does not wait for the five seconds that the killing may take"
    finally:
        os.killpg(respawn.pid, signal.SIGKILL)
        run("pkill", "-x", "respawn", check=False)
    host.subuid("lock", "web1", user=owner)


def test_a_connection_does_not_outlive_its_key(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    control = tmp_path / "control"
    master = subprocess.Popen(["ssh", *host.ssh_options(key), "-M", "-S", control, "-N", f"{name}@127.0.0.1"])
    wait_until(control.exists, "the connection is open")
    through = ["rsync", "-e", f"ssh -F none -o ControlMaster=no -S {control}", "-a", "/etc/hostname", f"{name}@127.0.0.1:"]
    assert run(*through).returncode == 0  # control

    host.subuid("key", "remove", "web1", host.subuid_json("key", "list", "web1", user=owner)[0]["id"], user=owner)
    assert master.wait(20) != 0  # before a look that comes by itself
    assert run(*through, check=False).returncode != 0


def test_a_system_user_takes_no_ids(host):
    """A service that was taken over gets neither ids for namespaces nor a login that stays."""
    run("useradd", "--system", "--create-home", "--home-dir", "/var/lib/service", "service")
    for words in ["add", "web1"], ["range", "add", "65536"]:
        refused = host.subuid(*words, user="service", check=False)
        assert refused.returncode == 5 and "administrator" in refused.stderr
    # control: an administrator may give the user some
    host.subuid("add", "web1", "--owner", "service")
    assert [row["label"] for row in host.subuid_json("list", user="service")] == ["web1"]


def test_a_command_that_sshd_forces_on_all_does_not_replace_the_gate(host, tmp_path):
    """ForceCommand of the main file comes before the command= of a key: internal-sftp needs no login shell at all."""
    config = Path("/etc/ssh/sshd_config")
    before = config.read_text()
    _, name, key = host.account(tmp_path)
    plain = host.new_user()
    ssh = Path(f"/home/{plain}/.ssh")
    run("mkdir", ssh, user=plain)
    (ssh / "authorized_keys").write_text(Path(f"{key}.pub").read_text())

    def listing(user):
        return run("sftp", *host.ssh_options(key), "-b", "-", f"{user}@127.0.0.1", input="ls /etc/passwd\n", check=False)

    def reload(text):
        config.write_text(text)
        listening = host.sshd_log().count("Server listening on 0.0.0.0")
        host.sshd.send_signal(signal.SIGHUP)
        wait_until(lambda: host.sshd_log().count("Server listening on 0.0.0.0") > listening, "sshd listens again")

    reload(before + "\nForceCommand internal-sftp\n")
    try:
        assert "/etc/passwd" in listing(plain).stdout  # control
        assert listing(name).returncode != 0
        assert host.rsync(key, "-a", "/etc/hostname", f"{name}@127.0.0.1:").returncode == 0
    finally:
        reload(before)


def test_the_daemon_compares_the_index_before_anybody_logs_in():
    """After a loss of power the index may lack a lock. Ordered before logins, and without a cycle."""
    unit = "/usr/lib/systemd/system/subuidd.service"
    if not Path(unit).exists():
        unit = "/lib/systemd/system/subuidd.service"
    assert {"ssh.service", "systemd-user-sessions.service"} <= set(
        word for line in Path(unit).read_text().splitlines() if line.startswith("Before=") for word in line[7:].split())
    verdict = run("systemd-analyze", "--man=no", "verify", unit, check=False)
    assert "cycle" not in verdict.stdout + verdict.stderr


def test_data_that_cannot_be_deleted_does_not_keep_that_of_others(host, tmp_path):
    """The owner can make it so, through a user namespace with a range of their own (not the account's) in it; a batch
    of it, due first, was all that was ever tried."""
    owner, victim = host.new_user(), host.new_user()
    his = json.loads(host.subuid("range", "add", "1", "--json", user=owner).stdout)["first"]
    host.subuid("limit", owner, "--accounts", "80")
    kept = []
    for number in range(66):
        host.subuid("add", f"w{number}", user=owner)
        uid = pwd.getpwnam(f"{owner}+w{number}").pw_uid
        foreign = Path(f"/srv/subuid/{owner}/w{number}/home/foreign")
        foreign.mkdir()
        (foreign / "file").touch()
        os.chown(foreign, his, his)
        host.subuid("remove", f"w{number}", "--purge", user=owner)
        kept.append(Path(f"/srv/subuid/.removed/{uid}"))
    host.subuid("add", "web1", user=victim)
    gone = Path(f"/srv/subuid/.removed/{pwd.getpwnam(f'{victim}+web1').pw_uid}")
    host.subuid("remove", "web1", "--purge", user=victim)
    wait_until(lambda: not gone.exists() and "purge" in host.subuid("audit", user=victim).stdout, "it is deleted")
    assert all(path.exists() for path in kept)  # control


FLOOD = """
import json, socket, sys
peer = socket.socket(socket.AF_UNIX); peer.connect(%r)
for n in range(int(sys.argv[1])):
    change = {"label": "web1", "alarm": 86400 + n}
    peer.sendall(json.dumps({"method": "io.subuidd.Accounts.Modify", "parameters": change}).encode() + b"\\0")
    reply = json.loads(peer.recv(65536).rstrip(b"\\0"))
    if "error" in reply:
        sys.exit(f"{n} {reply['error']} {reply['parameters']}")
""" % SOCKET


def test_the_audit_trail_does_not_grow_as_fast_as_one_calls(host):
    """Five hundred rows a second, which are never deleted, by anybody who has one account."""
    owner, other = host.new_user(), host.new_user()
    host.subuid("add", "web1", user=owner)
    flood = run("/usr/bin/python3", "-c", FLOOD, "6000", user=owner, check=False, timeout=300)
    assert flood.returncode != 0 and "io.subuidd.Accounts.LimitReached" in flood.stderr, flood
    assert int(flood.stderr.split()[0]) > 1900, "so many at once, and one a second"
    host.subuid("lock", "web1", user=owner)  # always
    host.subuid("add", "web1", user=other)  # control: others are not held up


def test_a_container_with_the_socket_is_not_its_owner(host):
    """SO_PEERCRED says who the namespace's root is on the host: the owner. test_contained.py has the rest."""
    owner = host.new_user()
    script = ["sh", "-c", '[ "$(id -u)" = "$1" ] && subuid add web1 --json', "sh"]
    made = run("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--", *script, "0", user=owner, check=False)
    assert made.returncode == 5 and "container" in made.stderr, made
    control = run(*script, str(pwd.getpwnam(owner).pw_uid), user=owner)
    assert json.loads(control.stdout)["account"]["owner"] == owner
