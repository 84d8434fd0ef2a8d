# SPDX-License-Identifier: ISC
"""What one key can cost the host and the other keys of its account. Each attack has its control beside it."""

import contextlib
import os
import pwd
import re
import resource
import signal
import socket
import subprocess
import threading
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
        wait_until(lambda: run("pgrep", "-u", str(uid), check=False).returncode != 0, "nothing of it runs")
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
    holds.communicate(timeout=60)


FORKS = r"""
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	int ends[2], count = 0;
	char byte;
	pid_t pid;

	if (pipe(ends) != 0)
		return 1;
	while ((pid = fork()) > 0)
		count++;
	if (pid == 0) { /* until the first one, which has the other end, is gone */
		close(ends[1]);
		return read(ends[0], &byte, 1) == 0 ? 0 : 1;
	}
	printf("processes %d\n", count);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}
"""


@pytest.mark.parametrize("form, busy", [("--read-only", False), (None, True)])
def test_a_tool_that_cannot_write_leaves_processes_to_a_push(host, tmp_path, locker, form, busy):
    (tmp_path / "forks.c").write_text(FORKS)
    run("cc", "-O1", "-static", "-o", locker, tmp_path / "forks.c")
    owner, name, key = host.account(tmp_path, "locker", "web1", None, *([form] if form else []))
    push = second_key(host, tmp_path, owner)
    holds = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "locker"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    count = int(holds.stdout.readline().split()[1])
    assert count > 480 if busy else 200 < count < 260, count
    pushed = host.rsync(push, "-a", "/etc/hostname", f"{name}@127.0.0.1:", check=False)
    assert (pushed.returncode != 0) == busy, pushed
    holds.kill()
    holds.communicate()
    wait_until(lambda: not running(pwd.getpwnam(name).pw_uid, "subuid-locker"), "they have ended")


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
    holds.communicate(timeout=60)


# ---- sessions

def settings(host, text):
    Path("/etc/subuidd.conf.d").mkdir(exist_ok=True)
    Path("/etc/subuidd.conf.d/60-sessions.conf").write_text(f"[sessions]\n{text}")
    host.daemon.send_signal(signal.SIGHUP)
    host.restart_daemon()


@pytest.fixture
def few(host):
    """Two connections for each key and five for an account."""
    settings(host, "per_key = 2\nper_account = 5\n")
    yield
    settings(host, "")


def second_key(host, tmp_path, owner, role="push", name="other", *options):
    key = host.new_key(tmp_path, name)
    host.subuid("key", "add", "web1", "-", "--role", role, *options, user=owner, input=Path(f"{key}.pub").read_text())
    return key


class Idle:
    """Connections without a command: ssh -N."""

    def __init__(self, host, key, name):
        self.host, self.key, self.name, self.all = host, key, name, []

    def open(self, count):
        for _ in range(count):
            before = self.host.sshd_log().count("User child is on pid")
            process = subprocess.Popen(["ssh", *self.host.ssh_options(self.key), "-N", f"{self.name}@127.0.0.1"],
                                       stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self.all.append(process)
            wait_until(lambda: process.poll() is not None or self.host.sshd_log().count("User child is on pid") > before, "in or out")

    def alive(self):
        return sum(process.poll() is None for process in self.all)

    def end(self):
        for process in self.all:
            process.kill()
            process.communicate()
        self.all.clear()


@pytest.fixture
def idle(host):
    made = []

    def of(key, name):
        made.append(Idle(host, key, name))
        return made[-1]

    yield of
    for one in made:
        one.end()


def test_a_key_has_its_places_and_no_more(host, tmp_path, few, idle):
    owner, name, key = host.account(tmp_path)
    other = second_key(host, tmp_path, owner)
    thief = idle(key, name)
    thief.open(2)
    told = host.ssh(key, name, "true")
    assert told.returncode != 0 and "this key already has 2 sessions" in told.stderr, told
    thief.open(12)
    # those too many are ended, whatever they wait for, and take no place of the account's
    assert host.ssh(other, name, "true").returncode == 0
    wait_until(lambda: thief.alive() == 2, "two are left")
    assert host.ssh(other, name, "true").returncode == 0
    pushed = host.rsync(other, "-a", "/etc/hostname", f"{name}@127.0.0.1:", check=False)
    assert pushed.returncode == 0, pushed
    thief.end()
    wait_until(lambda: host.ssh(key, name, "true").returncode == 0, "a place is given back with its connection")


def test_an_account_has_its_places_and_no_more(host, tmp_path, few, idle):
    owner, name, key = host.account(tmp_path)
    holders = [idle(key, name)] + [idle(second_key(host, tmp_path, owner, name=f"k{i}"), name) for i in range(2)]
    for holder in holders:
        holder.open(2 if holder is not holders[-1] else 1)
    late = second_key(host, tmp_path, owner, name="late")
    told = run("ssh", "-o", "LogLevel=INFO", *host.ssh_options(late), f"{name}@127.0.0.1", "true", check=False)
    assert told.returncode != 0 and "it already has 5 sessions" in told.stderr, told
    # control, and somebody else: an ordinary login, and another account of the same owner
    _, another, its = host.account(tmp_path, "push", "web2", owner)
    assert host.ssh(its, another, "true").returncode == 0
    holders[0].end()
    wait_until(lambda: host.ssh(late, name, "true").returncode == 0, "a place is free again")


def test_an_ordinary_login_is_not_counted(host, tmp_path, few, idle):
    """The control: without the module connections have no number."""
    user, key = host.ordinary_login(tmp_path)
    many = idle(key, user)
    many.open(8)
    time.sleep(6)
    assert many.alive() == 8


def test_places_cannot_be_had_without_a_session(host, tmp_path, few, idle):
    """The account's uid cannot open the file, and what sshd became for it holds no lock that it could take away."""
    owner, name, key = host.account(tmp_path)
    uid = pwd.getpwnam(name).pw_uid
    holder = idle(key, name)
    holder.open(2)
    path = f"/run/subuidd/sessions/{uid}"
    assert os.stat("/run/subuidd/sessions").st_mode & 0o777 == 0o700
    refused = run("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "cat", path, check=False)
    assert refused.returncode != 0
    inode = f":{os.stat(path).st_ino} "
    held = [line.split() for line in Path("/proc/locks").read_text().splitlines() if inode in line]
    assert len(held) == 4 and all(line[1] == "POSIX" for line in held), held
    for line in held:
        assert f"Uid:\t0\t0\t0\t0" in Path(f"/proc/{line[4]}/status").read_text()


# ---- connections without a command

@pytest.fixture
def impatient(host):
    """Two seconds, told to sshd as an administrator tells it."""
    def tell(seconds):
        settings(host, f"unused_seconds = {seconds}\n")
        host.subuid("setup")
        host.sshd.send_signal(signal.SIGHUP)
        wait_until(lambda: not host.sshd.poll() and socket.socket().connect_ex(("127.0.0.1", 22)) == 0, "sshd listens")

    tell(2)
    yield tell
    tell(60)


def test_a_connection_without_a_command_ends(host, tmp_path, impatient, idle, locker):
    said = run("sshd", "-T", "-C", "user=root,host=h,addr=127.0.0.1").stdout.lower()
    if "unusedconnectiontimeout" not in said:
        pytest.skip("this sshd is older than 9.2: doctor and the drop-in say so")
    owner, name, key = host.account(tmp_path, "locker")
    silent = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "locker"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    locks_held(silent)
    unused = idle(key, name)
    unused.open(2)
    _, forwarder, its = host.account(tmp_path, "forward", "fwd", owner, "--forward", "127.0.0.1:9")
    forwards = idle(its, forwarder)
    forwards.open(1)
    user, own = host.ordinary_login(tmp_path)
    control = idle(own, user)
    control.open(1)
    wait_until(lambda: unused.alive() == 0, "they are ended, and not after the minute that is usual", 40)
    time.sleep(3)
    assert silent.poll() is None, "a command may be silent for as long as it likes"
    assert forwards.alive() == 1, "a key that forwards waits for what is forwarded"
    assert control.alive() == 1
    silent.communicate(timeout=60)
    impatient(0)
    assert "unusedconnectiontimeout none" in run("sshd", "-T", "-C", f"user={name},host=h,addr=127.0.0.1").stdout.lower()


def test_the_time_is_told_to_sshd_by_setup(host, tmp_path):
    _, name, _ = host.account(tmp_path)
    said = run("sshd", "-T", "-C", f"user={name},host=h,addr=127.0.0.1").stdout.lower()
    if "unusedconnectiontimeout" in said:
        assert "unusedconnectiontimeout 60\n" in said and "channeltimeout session=60\n" in said


# ---- commands and logins that come to nothing

@pytest.fixture
def syslog(tmp_path):
    """What is written to /dev/log: a list that grows. /dev is the host's, so another one is laid over it."""
    stage = tmp_path / "dev"
    stage.mkdir()
    run("mount", "-t", "tmpfs", "dev", stage)
    for name in ("up", "work", "all"):
        (stage / name).mkdir(mode=0o755)
    run("mount", "-t", "overlay", "-o", f"lowerdir=/dev,upperdir={stage}/up,workdir={stage}/work", "overlay", stage / "all")
    for name in ("pts", "shm"):
        run("mount", "--bind", f"/dev/{name}", stage / "all" / name)
    run("mount", "--rbind", stage / "all", "/dev")
    lines, log = [], socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    log.settimeout(0.2)
    ended = threading.Event()

    def listen():
        while not ended.is_set():
            try:
                lines.append(log.recv(65536).decode(errors="replace"))
            except TimeoutError:
                pass

    listener = threading.Thread(target=listen)
    listener.start()
    yield lines
    ended.set()
    listener.join()
    log.close()
    run("umount", "-R", "-l", "/dev")
    run("umount", "-R", "-l", stage)


def flood(host, key, name, command, seconds, tmp_path):
    """How many commands one connection, two at a time, got an answer to, and how long that took."""
    control = tmp_path / f"control-{name}"
    master = subprocess.Popen(["ssh", *host.ssh_options(key), "-M", "-S", str(control), "-N", f"{name}@127.0.0.1"])
    wait_until(control.exists, "the connection is there")
    loop = f'end=$(($(date +%s%N) + {seconds}000000000)); n=0; while [ $(date +%s%N) -lt $end ]; do ' \
           f'ssh -F none -S {control} {name}@127.0.0.1 "{command}" >/dev/null 2>&1; n=$((n+1)); done; echo $n'
    both = [subprocess.Popen(["bash", "-c", loop], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    began = time.monotonic()
    count = sum(int(process.communicate(timeout=120)[0]) for process in both)
    took = time.monotonic() - began
    master.terminate()
    master.wait(60)
    return count, took


@pytest.mark.parametrize("role, command", [("push", "id"), ("sftp", "id"), ("push", "true"), ("push", "rsync --server --sender . x")],
                         ids=["rsync", "tools", "probe", "direction"])
def test_commands_that_come_to_nothing_are_slow_and_one_line(host, tmp_path, syslog, role, command):
    owner, name, key = host.account(tmp_path, role)
    push = second_key(host, tmp_path, owner)
    seconds = 6
    counted = []
    thief = threading.Thread(target=lambda: counted.append(flood(host, key, name, command, seconds, tmp_path)))
    thief.start()
    time.sleep(3)
    assert host.rsync(push, "-a", "/etc/hostname", f"{name}@127.0.0.1:", check=False).returncode == 0, "nor is it held up"
    thief.join()
    commands, took = counted[0]
    assert commands <= 40 + took + 6, counted
    if command != "true":
        wait_until(lambda: any("subuid-" in line for line in syslog), "it is told of")
    ours = [line for line in syslog if "subuid-login" in line or "subuid-rrsync" in line or "subuid-tool" in line]
    assert len(ours) == (0 if command == "true" else 1), ours


def test_an_ordinary_login_is_not_slow(host, tmp_path):
    """The control: more than those that are slow. A machine that is busy takes longer to show it."""
    user, key = host.ordinary_login(tmp_path)

    def more(seconds):
        commands, took = flood(host, key, user, "false", seconds, tmp_path)
        return commands > 40 + took + 6

    assert any(more(seconds) for seconds in (6, 30, 60))


def test_refused_logins_are_one_line(host, tmp_path, syslog, few, idle):
    owner, name, key = host.account(tmp_path)
    holder = idle(key, name)
    holder.open(2)
    for _ in range(8):
        assert host.ssh(key, name, "true").returncode != 0
    assert len([line for line in syslog if "this key already has 2 sessions" in line]) == 1, syslog
    # an account whose owner is locked is refused before the session
    holder.end()
    run("usermod", "--expiredate", "1", owner)
    for _ in range(8):
        assert host.ssh(key, name, "true").returncode != 0
    assert len([line for line in syslog if "refused for service sshd" in line]) <= 2, syslog


# ---- memory, silence

def peak(pid):
    """MiB of memory of its own that a process has asked for."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"VmData:\s+(\d+) kB", text)
    return int(found.group(1)) // 1024 if found else 0


@pytest.mark.parametrize("gated", [True, False], ids=["gate", "control"])
@pytest.mark.parametrize("level", ["22", "19"])
def test_a_client_does_not_say_how_much_memory_a_sender_takes(gate, gated, level):
    data = gate.own(gate.home / "data")
    data.write_bytes(os.urandom(1 << 20) * 40)
    os.truncate(data, 4 << 30)
    client = subprocess.Popen(["rsync", "-W", "--zc=zstd", f"--zl={level}", "--max-alloc=0", "--compress-threads=256", "-e",
                               gate.server(gated), "host:data", gate.base / "got"], stderr=subprocess.DEVNULL)
    most = 0

    def more_than(mib):
        nonlocal most
        most = max([most, *map(peak, running(UID))])
        return most > mib or client.poll() is not None

    wait_until(lambda: more_than(20), "it is under way")
    with contextlib.suppress(AssertionError):
        wait_until(lambda: more_than(80), "it takes more", 4 if gated else 60)
    client.kill()
    client.wait()
    for pid in running(UID):
        os.kill(int(pid), signal.SIGKILL)
    assert (most < 80) == gated, most
    assert most > 20


def limit_of(pid):
    return int(re.search(r"Max data size\s+(\d+)", Path(f"/proc/{pid}/limits").read_text()).group(1))


def test_a_process_of_a_run_has_its_memory(host, tmp_path, locker):
    owner, name, key = host.account(tmp_path, "push,locker")
    uid = pwd.getpwnam(name).pw_uid
    settings(host, "memory_mib = 128\n")
    try:
        for command, program, least in (("rsync --server -r . x", "rsync", 128), ("locker", "subuid-locker", 1024)):
            silent = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", command], stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            pid = wait_until(lambda: running(uid, program), f"{program} runs")[0]
            assert limit_of(pid) == least << 20
            silent.kill()
            silent.communicate()
    finally:
        settings(host, "")


@pytest.mark.parametrize("role", ["push", "blind"])
def test_a_client_that_stops_keeps_nothing_for_ever(host, tmp_path, role):
    owner, name, key = host.account(tmp_path, role)
    uid = pwd.getpwnam(name).pw_uid
    other = second_key(host, tmp_path, owner)

    def silent():
        held = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", "rsync --server -r . x"],
                                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        held.stdin.write(b"\x1f\0\0\0")  # hello, protocol 31
        held.stdin.flush()
        wait_until(lambda: running(uid), "rsync runs")
        return held

    def push():
        return host.rsync(other, "-a", "/etc/hostname", f"{name}@127.0.0.1:x/", check=False)

    control = silent()
    time.sleep(5)
    busy = push()
    assert busy.returncode != 0 and "busy" in busy.stderr  # the time is an hour
    control.kill()
    control.communicate()
    wait_until(lambda: not running(uid), "it is over")
    settings(host, "silence_seconds = 2\n")
    held = silent()
    try:
        wait_until(lambda: push().returncode == 0, "its place is free")
        assert held.poll() is not None or not running(uid)
    finally:
        held.kill()
        held.communicate()
        settings(host, "")


SHOW = r'''
#include <stdio.h>
#include <security/pam_modules.h>
static int show(pam_handle_t *pamh, const char *name, FILE *out)
{
	const void *value = NULL;
	return fprintf(out, "%s=%s\n", name, pam_get_data(pamh, name, &value) == PAM_SUCCESS ? (const char *)value : "");
}
int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	FILE *out = fopen("/run/shown", "w");
	show(pamh, "systemd.memory_max", out);
	show(pamh, "systemd.tasks_max", out);
	show(pamh, "systemd.cpu_weight", out);
	show(pamh, "systemd.io_weight", out);
	return fclose(out) == 0 ? PAM_SUCCESS : PAM_SESSION_ERR;
}
int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return PAM_SUCCESS;
}
'''


def test_pam_systemd_is_told_what_a_session_may_have(host, tmp_path):
    """What comes of it is systemd's: here stands a module that reads the same fields as pam_systemd(8)."""
    _, name, key = host.account(tmp_path)
    user, own = host.ordinary_login(tmp_path)
    (tmp_path / "show.c").write_text(SHOW)
    run("cc", "-shared", "-fPIC", "-o", tmp_path / "pam_show.so", tmp_path / "show.c", "-lpam")
    stack = Path("/etc/pam.d/common-session")
    before = stack.read_text()
    stack.write_text(before + f"session required {tmp_path}/pam_show.so\n")
    settings(host, "private = no\n")  # that the module can write
    try:
        assert host.ssh(key, name, "true").returncode == 0
        assert Path("/run/shown").read_text() == ("systemd.memory_max=4160M\nsystemd.tasks_max=516\n"
                                                  "systemd.cpu_weight=50\nsystemd.io_weight=50\n")
        assert host.ssh(own, user, "true").returncode == 0
        assert Path("/run/shown").read_text() == ("systemd.memory_max=\nsystemd.tasks_max=\n"
                                                  "systemd.cpu_weight=\nsystemd.io_weight=\n")
    finally:
        stack.write_text(before)
        settings(host, "")


# ---- memory of all sessions together, where no control group bounds it

TAKES = "import sys, time; x = bytearray({mib} << 20); print('has', flush=True); time.sleep(300)"


@pytest.fixture
def takes(host):
    """Sessions that take so much memory, and stay."""
    begun = []

    def take(key, name, mib, how=TAKES):
        begun.append(subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", f"python3 -c \"{how.format(mib=mib)}\""],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True))
        return begun[-1]

    yield take
    for session in begun:
        session.kill()
        session.communicate()


def test_all_of_an_account_together_have_their_memory(host, tmp_path, takes):
    owner, name, key = host.account(tmp_path, "shell", "web1", None, "--memory", "256M")
    _, other, its = host.account(tmp_path, "shell", "web2", owner, "--memory", "512M")
    # the control: the same of an account that may have it, and one process that is within
    control = [takes(its, other, 160), takes(its, other, 160)]
    one = takes(key, name, 160)
    assert [session.stdout.readline() for session in (*control, one)] == ["has\n"] * 3
    time.sleep(3)
    assert all(session.poll() is None for session in (*control, one))
    two = takes(key, name, 160)
    wait_until(lambda: one.poll() is not None or two.poll() is not None, "one of them is ended")
    assert all(session.poll() is None for session in control)
    wait_until(lambda: re.search(rf"{re.escape(name)}: all of it together has \d+ MiB of memory, and may have 256",
                                 Path("/run/subuidd.log").read_text()), "it is told of")
    wait_until(lambda: host.subuid_json("log", "web1", user=owner), "the run is recorded")


# Shared, and written to before it is made read-only: RLIMIT_DATA counts neither.
HIDES = {
    "shared": "import mmap, time; m = mmap.mmap(-1, {mib} << 20); [m.__setitem__(i, 1) for i in range(0, {mib} << 20, 4096)]; "
              "print('has', flush=True); time.sleep(300)",
    "closed": "import ctypes, mmap, time; c = ctypes.CDLL(None); k = []\n"
              "for i in range({mib} // 32):\n"
              "    m = mmap.mmap(-1, 32 << 20, mmap.MAP_PRIVATE); k.append(m)\n"
              "    [m.__setitem__(i, 1) for i in range(0, 32 << 20, 4096)]\n"
              "    c.mprotect(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(m))), 32 << 20, 1)\n"
              "print('has', flush=True); time.sleep(300)",
}


@pytest.mark.parametrize("how", HIDES)
def test_memory_that_is_no_data_counts(host, tmp_path, takes, how):
    owner, name, key = host.account(tmp_path, "shell", "web1", None, "--memory", "128M")
    takes_all = takes(key, name, 512, HIDES[how])
    assert takes_all.stdout.readline() in ("has\n", "")
    wait_until(lambda: takes_all.poll() is not None, "it is ended")
    # the control: while nobody looks, RLIMIT_DATA alone lets it be
    host.stop_daemon()
    try:
        control = takes(key, name, 512, HIDES[how])
        assert control.stdout.readline() == "has\n"
        time.sleep(5)
        assert control.poll() is None
    finally:
        host.start_daemon()
    wait_until(lambda: control.poll() is not None, "the daemon, once it is there, ends it")


# Many of one size, each of which is made anew as soon as it has ended, by a parent that has next to nothing itself.
STORM = r"""
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	for (int i = 0; i < 60; i++)
		if (fork() == 0)
			for (;;) {
				if (fork() == 0) {
					memset(malloc(16 << 20), 1, 16 << 20);
					pause();
				}
				while (wait(NULL) < 0)
					continue;
			}
	for (;;)
		pause();
}
"""


def memory_of(name):
    """MiB of all of its processes."""
    sum = 0
    for pid in run("pgrep", "-U", str(pwd.getpwnam(name).pw_uid), check=False).stdout.split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            size = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            sum += int(size.group(1)) if size else 0
    return sum // 1024


def test_a_storm_that_takes_memory_ends(host, tmp_path):
    """Outside of a session, whose end would take it along. The daemon finds it at its start."""
    _, name, _ = host.account(tmp_path, "shell", "web1", None, "--memory", "128M")
    uid = pwd.getpwnam(name).pw_uid
    storm = Path("/usr/local/lib/subuid-storm")
    (tmp_path / "storm.c").write_text(STORM)
    run("cc", "-O1", "-static", "-o", storm, tmp_path / "storm.c")
    host.stop_daemon()
    try:
        process = subprocess.Popen([storm], user=uid, group=uid, extra_groups=[], start_new_session=True)
        wait_until(lambda: memory_of(name) > 800, "it has all of it")
        host.start_daemon()
        wait_until(lambda: process.poll() is not None and memory_of(name) == 0, "it is ended")
    finally:
        run("pkill", "-KILL", "-U", str(uid), check=False)
        storm.unlink()
