# SPDX-License-Identifier: ISC
"""Hosts on which users may make no user namespaces: by the kernel's setting, and by Debian's own. In a virtual machine, since
both are of the whole machine."""

import os
from pathlib import Path

import pytest

from conftest import run
from test_shell_escape import inside, shell  # noqa: F401: a fixture

SETTINGS = {"max_user_namespaces": Path("/proc/sys/user/max_user_namespaces"),
            "unprivileged_userns_clone": Path("/proc/sys/kernel/unprivileged_userns_clone")}


@pytest.fixture(params=SETTINGS)
def without(request):
    setting = SETTINGS[request.param]
    before = setting.read_text()
    tried = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups", "unshare", "-U", "true"]
    assert run(*tried, check=False).returncode == 0, "the control: they can be made"
    setting.write_text("0")
    try:
        assert run(*tried, check=False).returncode != 0
        yield request.param
    finally:
        setting.write_text(before)


def test_an_isolated_shell_is_refused_in_words(host, shell, without):  # noqa: F811
    said = inside(host, shell, "print('HERE')")
    assert said.returncode != 0 and "RAN" not in said.stdout and "HERE" not in said.stdout, said
    assert "user namespace" in said.stderr, said


def test_a_push_goes_on_and_stays_inside(host, tmp_path, without):
    """By Landlock and the filter, as SECURITY.md says; another sub-account's world-readable file is out of reach."""
    owner, name, key = host.account(tmp_path, "sync", label=f"push{without[0]}")
    (tmp_path / "file").write_text("data\n")
    host.rsync(key, "-a", tmp_path / "file", f"{name}@127.0.0.1:")
    home = Path(f"/srv/subuid/{owner}/{name.split('+')[1]}/home")
    assert (home / "file").read_text() == "data\n"
    Path("/var/tmp/theirs").write_text("theirs\n")
    os.chmod("/var/tmp/theirs", 0o644)
    os.symlink("/var/tmp/theirs", home / "out")
    os.lchown(home / "out", home.stat().st_uid, home.stat().st_gid)
    got = host.rsync(key, "-aL", f"{name}@127.0.0.1:out", tmp_path / "got", check=False)
    assert got.returncode != 0 and not (tmp_path / "got").exists(), got
