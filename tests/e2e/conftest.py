# SPDX-License-Identifier: ISC
"""A live host in the throwaway root: installed, set up, daemon and sshd running.

Everything is real: the binaries come from `make install`, the host is switched
on by `subuid setup`, logins go through sshd, PAM and NSS.
"""

import contextlib
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOCKET = "/run/subuidd/socket"
SLOW = int(os.environ.get("SUBUIDD_SLOW", "1"))  # a virtual machine without the processor's help takes so many times as long
SAMPLE = int(os.environ.get("SUBUIDD_SAMPLE", "0"))  # cases of each test; 0: all


def pytest_configure(config):
    if os.environ.get("SUBUIDD_THROWAWAY") != "1":
        pytest.exit("run these tests by `make check-e2e`: they change the host they run on", 3)


def pytest_collection_modifyitems(config, items):
    """SUBUIDD_SAMPLE=N: of the cases of one test N, spread over all of them; pytest counts the others as deselected."""
    cases, kept = {}, set()
    for item in items:
        cases.setdefault((item.path, getattr(item, "originalname", item.name)), []).append(item)
    for each in cases.values():
        places = range(len(each)) if SAMPLE == 0 or len(each) <= SAMPLE else \
            {place * (len(each) - 1) // max(SAMPLE - 1, 1) for place in range(SAMPLE)}
        kept |= {each[place] for place in places}
    left = [item for item in items if item not in kept]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item in kept]


def wait_until(condition, what, seconds=60.0):
    """Waits for a condition, never for a time. The bound is of what never comes; one that is shorter tells what comes by itself
    from what comes with the next look."""
    seconds *= SLOW
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {seconds} s")


def time_taken(act):
    began = time.monotonic()
    act()
    return time.monotonic() - began


def expiry_after(act):
    """A time that is soon, and not over before ten times what this takes now: what is to be done before it is like it."""
    took = time_taken(act)
    return int(time.time() + 5 + 10 * took)


def run(*argv, user=None, check=True, input=None, env=None, timeout=120, cwd=None, text=True):
    """Runs a command, as an ordinary user when one is named (all of their groups, a login's environment)."""
    options = {}
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": "/root"}
    if user is not None:
        entry = pwd.getpwnam(user) if isinstance(user, str) else pwd.getpwuid(user)
        options = {
            "user": entry.pw_uid,
            "group": entry.pw_gid,
            "extra_groups": os.getgrouplist(entry.pw_name, entry.pw_gid),
        }
        environment["HOME"] = entry.pw_dir
        environment["USER"] = entry.pw_name
        cwd = cwd or "/"
    environment.update(env or {})
    result = subprocess.run(
        [str(word) for word in argv], input=input, capture_output=True, text=text, env=environment,
        timeout=timeout * SLOW, cwd=cwd, **options,
    )
    if check and result.returncode != 0:
        raise AssertionError(
            f"{' '.join(map(str, argv))}: exit {result.returncode}\n{result.stdout}\n{result.stderr}"
        )
    return result


class Host:
    def __init__(self):
        self.daemon = None
        self.sshd = None
        self.users = 0

    # -- the daemon
    def start_daemon(self):
        assert self.daemon is None
        self.daemon_log = open("/run/subuidd.log", "ab")
        self.daemon = subprocess.Popen(
            ["/usr/sbin/subuidd", "--foreground"], stdin=subprocess.DEVNULL, stdout=self.daemon_log,
            stderr=self.daemon_log, cwd="/",
        )

        def answers():
            assert self.daemon.poll() is None, Path("/run/subuidd.log").read_text()[-3000:]
            try:
                return call("io.subuidd.Accounts.Status")
            except OSError:
                return None

        wait_until(answers, "subuidd answers")

    def attached(self):
        """For strace: the process that forks the owners' children, then the daemon, so that both are when that one is."""
        forker = run("pgrep", "-P", str(self.daemon.pid), "-x", "subuidd-links").stdout.split()
        return [word for pid in (*forker, str(self.daemon.pid)) for word in ("-p", pid)]

    def stop_daemon(self, how=signal.SIGTERM):
        daemon, self.daemon = self.daemon, None
        daemon.send_signal(how)
        daemon.wait(60 * SLOW)
        self.daemon_log.close()
        return daemon.returncode

    def restart_daemon(self, how=signal.SIGTERM):
        self.stop_daemon(how)
        self.start_daemon()

    def restart_daemon_ahead(self, directory, seconds, running=0, more=(0, 0)):
        """With a clock that is so far ahead; when the daemon looks for what is due it seems to have run for so long. more: so
        many seconds further ahead, after so many."""
        library = directory / f"late_clock_{seconds}_{running}.so"
        run("gcc", "-shared", "-fPIC", f"-DLATE_SECONDS={seconds}", f"-DLATE_BOOT_SECONDS={running}",
            f"-DLATE_MORE_SECONDS={more[0]}", f"-DLATE_MORE_AFTER={more[1]}", "-o", library, ROOT / "tests/e2e/late_clock.c")
        self.stop_daemon()
        os.environ["LD_PRELOAD"] = str(library)
        try:
            self.start_daemon()
        finally:
            del os.environ["LD_PRELOAD"]

    @contextlib.contextmanager
    def daemon_ahead(self, directory, seconds, running=0, more=(0, 0)):
        self.restart_daemon_ahead(directory, seconds, running, more)
        try:
            yield
        finally:
            self.restart_daemon()

    # -- sshd
    def start_sshd(self):
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        run("ssh-keygen", "-A")
        options = ["-o", "LogLevel=VERBOSE"]
        # From 9.8 on an address is turned away for a while whose logins were refused. Here all are one's, and many are refused.
        if run("/usr/sbin/sshd", "-t", "-o", "PerSourcePenalties=no", check=False).returncode == 0:
            options += ["-o", "PerSourcePenalties=no"]
        self.sshd = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-E", "/run/sshd.log", *options], cwd="/", stdin=subprocess.DEVNULL,
        )

        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", 22)) == 0

        wait_until(listens, "sshd listens")

    # -- people
    def new_user(self, prefix="u"):
        self.users += 1
        name = f"{prefix}{self.users}"
        run("useradd", "--create-home", "--shell", "/bin/bash", name)
        return name

    def new_key(self, directory, name="key", kind="ed25519"):
        path = Path(directory) / name
        run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"test {name}", "-f", path)
        return path

    def subuid(self, *argv, user=None, check=True, input=None):
        return run("/usr/bin/subuid", *argv, user=user, check=check, input=input)

    def subuid_json(self, *argv, user=None):
        return json.loads(self.subuid(*argv, "--json", user=user).stdout)

    def account(self, tmp_path, role="push", label="web1", owner=None, *options):
        """An owner with one sub-account and a key: (owner, full name, private key)."""
        owner = owner or self.new_user()
        key = self.new_key(tmp_path, f"{owner}-{label}-{role}")
        self.subuid("add", label, "--key", "-", "--role", role, *options, user=owner,
                    input=Path(f"{key}.pub").read_text())
        return owner, f"{owner}+{label}", key

    def ordinary_login(self, tmp_path, user=None):
        """Someone with a key in authorized_keys, who is no sub-account: the control of what sub-accounts may not. (user, key)"""
        user = user or self.new_user()
        key = self.new_key(tmp_path, f"own-{user}")
        directory = Path(f"/home/{user}/.ssh")
        directory.mkdir(mode=0o700)
        (directory / "authorized_keys").write_text(Path(f"{key}.pub").read_text())
        for path in (directory, directory / "authorized_keys"):
            os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        return user, key

    # -- ssh
    def ssh_options(self, key):
        return ["-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
                "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                "-o", "ConnectTimeout=60"]

    def ssh(self, key, name, *command, check=False, options=(), timeout=120, input=""):
        return run("ssh", *self.ssh_options(key), *options, f"{name}@127.0.0.1", *command, check=check,
                   timeout=timeout, input=input)

    def rsync(self, key, *argv, check=True, timeout=300):
        return run("rsync", "-e", " ".join(["ssh", *self.ssh_options(key)]), *argv, check=check, timeout=timeout)

    def sshd_log(self):
        return Path("/run/sshd.log").read_text(errors="replace")


def exchange(peer, message):
    """Sends one raw Varlink message over the socket; the list of replies with more, else the one reply (errors included)."""
    more = message.get("more", False)
    peer.sendall(json.dumps(message).encode() + b"\0")
    replies, buffer = [], b""
    while True:
        while b"\0" not in buffer:
            chunk = peer.recv(65536)
            if not chunk:
                raise ConnectionResetError("the service closed the connection")
            buffer += chunk
        raw, buffer = buffer.split(b"\0", 1)
        reply = json.loads(raw)
        replies.append(reply)
        if not reply.get("continues"):
            return replies if more else replies[0]


def call(method, parameters=None, user=None, more=False, timeout=60):
    """One raw Varlink call of the daemon: what exchange() returns."""
    message = {"method": method, "parameters": parameters or {}}
    if more:
        message["more"] = True
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(timeout * SLOW)
        peer.connect(SOCKET)
        return exchange(peer, message)


TOOL = """#!/bin/sh
without=$(mktemp)
sed /^subid:/d /etc/nsswitch.conf > "$without"
exec unshare --mount --propagation private sh -c '
	mount --bind "$0" /etc/nsswitch.conf && rm "$0" && exec "$@"' "$without" {real} {words} "$@"
"""


def shadow_beside_the_plugin():
    """`subuid setup` takes the files alone (tests/boot and test_setup.py see to that). These tests are about the plug-in, so it is
    asked for. From 4.14 on (Debian 13) shadow's tools add and delete nobody while one is named and the subid files are there, so
    that they are not shown it; as before 4.14, useradd gives no ranges."""
    conf = Path("/etc/subuidd.conf.d/30-plugin.conf")
    conf.parent.mkdir(mode=0o755, exist_ok=True)
    conf.write_text("[subid]\npublish = plugin\n")
    version = run("dpkg-query", "-W", "-f", "${Version}", "passwd").stdout.split(":")[-1]
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < (4, 14):
        return
    for tool, words in (("useradd", "-K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0"), ("userdel", ""), ("usermod", "")):
        real = Path(f"/usr/sbin/{tool}.shadow")
        os.rename(f"/usr/sbin/{tool}", real)
        Path(f"/usr/sbin/{tool}").write_text(TOOL.format(real=real, words=words))
        Path(f"/usr/sbin/{tool}").chmod(0o755)
    for name in ("subuid", "subgid"):
        Path(f"/etc/{name}").touch(0o644)


@pytest.fixture(scope="session")
def host(request):
    machine = Host()
    run("make", "-C", ROOT, "install", env={"MAKEFLAGS": ""})
    if not any(item.path.name == "test_setup.py" for item in request.session.items):  # what setup chooses is theirs to see
        shadow_beside_the_plugin()
    run("/usr/bin/subuid", "setup")
    machine.start_daemon()
    machine.start_sshd()
    yield machine
    if machine.daemon is not None:
        machine.stop_daemon()
    machine.sshd.terminate()
    machine.sshd.wait(60)


@pytest.fixture(autouse=True)
def public_tmp(request):
    """pytest's tmp_path is 0700; owners need to reach the keys that tests make."""
    if "tmp_path" in request.fixturenames:
        path = request.getfixturevalue("tmp_path")
        for directory in [path, *path.parents]:
            if directory == Path("/tmp"):
                break
            os.chmod(directory, 0o755)
    yield



CALL_AS = """
import json, socket, sys
peer = socket.socket(socket.AF_UNIX); peer.settimeout(60); peer.connect(%r)
peer.sendall(sys.argv[1].encode() + b"\\0")
data = b""
while b"\\0" not in data:
    chunk = peer.recv(65536)
    if not chunk: break
    data += chunk
sys.stdout.write(data.split(b"\\0")[0].decode())
""" % SOCKET


def call_as(user, method, parameters=None):
    """The same call from another user's process."""
    message = json.dumps({"method": method, "parameters": parameters or {}})
    return json.loads(run("/usr/bin/python3", "-c", CALL_AS, message, user=user).stdout)
