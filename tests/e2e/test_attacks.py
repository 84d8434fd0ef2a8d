# SPDX-License-Identifier: ISC
"""Attacks on the privileged parts, each of which has once worked; a control where the attack can be shown to bite."""

import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import call, run, wait_until

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
    control = subprocess.Popen(["sleep", "60"], user=uid, group=uid, extra_groups=[])
    for _ in range(12):
        spinning = subprocess.Popen([spinner, str(int(number))], user=uid, group=uid, extra_groups=[])
        try:
            wait_until(lambda: Path(f"/proc/{control.pid}/stat").read_text().split()[2] in "TZ", "the control is hit")
            begun = time.monotonic()
            run("/usr/bin/subuid", "lock", "web1", user=owner, timeout=10)
            assert spinning.wait(5) == -signal.SIGKILL
            assert call("io.subuidd.Accounts.Status", timeout=2)
            assert time.monotonic() - begun < 5
            host.subuid("unlock", "web1", user=owner)
        finally:
            spinning.kill()
    assert control.wait(5) == -signal.SIGKILL
