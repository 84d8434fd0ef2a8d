# SPDX-License-Identifier: ISC
"""Attacks on the privileged parts, each of which has once worked; a control where the attack can be shown to bite."""

import os
import pwd
from pathlib import Path

import pytest

from conftest import run

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
