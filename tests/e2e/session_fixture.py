# SPDX-License-Identifier: ISC
"""Sessions of sub-accounts that tests look into: by su and its like, which an administrator has let them use."""

import contextlib
import os
import pwd
import subprocess
from pathlib import Path

from conftest import run, wait_until

ACCOUNT_STACK = Path("/etc/pam.d/common-account")
SESSION_STACKS = [Path("/etc/pam.d/common-session"), Path("/etc/pam.d/common-session-noninteractive")]
RULES = Path("/var/lib/subuidd/sessions")
CONF = Path("/etc/subuidd.conf.d/40-sessions.conf")


@contextlib.contextmanager
def text_of(path, change):
    """The file says something else meanwhile."""
    path = Path(path)
    before = path.read_text()
    after = change(before)
    assert after != before
    path.write_text(after)
    try:
        yield
    finally:
        path.write_text(before)


def services(names):
    """Services that sub-accounts may use."""
    line = "account required pam_subuid.so"
    return text_of(ACCOUNT_STACK, lambda text: "".join(
        f"{line} services={names}\n" if "pam_subuid.so" in old else old for old in text.splitlines(True)))


@contextlib.contextmanager
def settings(host, **values):
    """[sessions] of the settings; the daemon has published them."""
    before = RULES.read_bytes()
    CONF.write_text("[sessions]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))
    try:
        host.daemon.send_signal(1)
        wait_until(lambda: RULES.read_bytes() != before, "the settings are published")
        yield
    finally:
        CONF.unlink()
        host.daemon.send_signal(1)
        wait_until(lambda: RULES.read_bytes() == before, "the settings before are published")


def inside(name, script, check=True, timeout=60):
    """A shell script in a session of the account, by su; what it says."""
    with services("sshd,su"):
        result = run("su", "-s", "/bin/bash", name, "-c", script, check=False, timeout=timeout, cwd="/")
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout
    return result


def outside(name, script):
    """The same script as the account, but in the host's mounts: the control."""
    entry = pwd.getpwnam(name)
    return subprocess.run(
        ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups", "/bin/bash", "-c", script],
        capture_output=True, text=True, cwd="/", env={"PATH": os.environ["PATH"]}, timeout=60, check=False)


@contextlib.contextmanager
def second_sshd(*options, output=subprocess.DEVNULL, **environment):
    """On port 2200, started as systemd does it; its standard error goes to output, on a host to the journal."""
    with subprocess.Popen(["/usr/sbin/sshd", "-D", "-p", "2200", *options], cwd="/", env={**os.environ, **environment},
                          stdin=subprocess.DEVNULL, stdout=output, stderr=output) as daemon:
        try:
            wait_until(lambda: run("ssh-keyscan", "-t", "ed25519", "-p", "2200", "127.0.0.1", check=False).stdout, "it listens")
            yield
        finally:
            daemon.terminate()


def mounts():
    """Of the host."""
    return Path("/proc/self/mountinfo").read_text()


def namespaces():
    """The mount namespaces that some process is in, and who is in them."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.setdefault(os.readlink(process / "ns/mnt"), set()).add((process / "comm").read_text().strip())
    return found
