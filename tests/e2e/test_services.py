# SPDX-License-Identifier: ISC
"""subuid set --services yes: root alone lets an account have a service manager; PAM and the condition of its unit go by that."""

import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from conftest import run

STACK = Path("/etc/pam.d/systemd-user")


@pytest.fixture
def stack(tmp_path):
    """What pam_subuid makes of a manager's session is looked at by a program that runs in it."""
    before = STACK.read_bytes() if STACK.exists() else None
    program, said = tmp_path / "look", tmp_path / "said"
    program.write_text(f'#!/bin/sh\nexec >{said} 2>&1\necho "HOME=$HOME"\n. {tmp_path}/more\n')
    program.chmod(0o755)
    (tmp_path / "more").write_text("")
    STACK.write_text(f"account required pam_subuid.so\nsession required pam_subuid.so services=sshd\nsession optional pam_exec.so {program}\n")
    yield tmp_path / "more", said
    if before is None:
        STACK.unlink()
    else:
        STACK.write_bytes(before)


def admitted(name, service="systemd-user"):
    return run("pamtester", service, name, "acct_mgmt", check=False).returncode == 0


def wanted(*names):
    return {run("/usr/libexec/subuidd/user-manager", name, check=False).returncode == 0 for name in names}


def test_root_alone_allows_it_and_its_owner_takes_it_back(host, tmp_path, stack):
    owner, name, _ = host.account(tmp_path)
    uid = pwd.getpwnam(name).pw_uid
    host.subuid("range", "add", "65536", name)
    first = host.subuid_json("range", "list", "--owner", owner)[0]["first"]
    assert not admitted(name) and wanted(uid, name) == {False}
    admin, settings = host.new_user(), Path("/etc/subuidd.conf.d/zz-admins.conf")
    run("groupadd", "-f", "keepers")
    run("usermod", "-aG", "keepers", admin)
    settings.write_text("[access]\nadmin_group = keepers\n")
    rows = tmp_path / "rows"
    rows.write_text(json.dumps({"kind": "account", "owner": owner, "label": "web3", "services": "yes"}) + "\n")
    host.restart_daemon()
    try:
        for user, words in ((owner, ("set", name, "--services", "yes")), (owner, ("add", "web2", "--services", "yes")),
                            (admin, ("set", name, "--services", "yes")), (admin, ("import", rows))):
            result = host.subuid(*words, user=user, check=False)
            assert result.returncode != 0 and "only root lets an account have services" in result.stderr + result.stdout, words
        assert host.subuid("set", name, "--comment", "x", user=admin).returncode == 0, "the control"
    finally:
        settings.unlink()
        host.restart_daemon()
    assert not admitted(name) and [row["label"] for row in host.subuid_json("list", user=owner)] == ["web1"]

    host.subuid("set", name, "--services", "yes")
    assert admitted(name) and wanted(uid, name) == {True}
    assert not admitted(name, "su"), "that service alone"
    assert wanted(first, first + 7, f"{owner}+_web1_{first + 7}") == {False}, "and no id of its ranges"
    host.subuid("set", "web1", "--services", "yes", user=owner)  # no change
    host.subuid("lock", name)
    assert not admitted(name)
    host.subuid("unlock", name)

    process = subprocess.Popen(["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "sleep", "1000"])
    host.subuid("set", "web1", "--services", "no", user=owner)
    assert process.wait(60) == -9 or process.returncode == -15
    assert not admitted(name) and wanted(uid, name) == {False}
    assert host.subuid("set", "web1", "--services", "yes", user=owner, check=False).returncode == 5


def test_a_removal_that_is_taken_back_takes_back_what_root_allowed(host, tmp_path, stack):
    owner, name, _ = host.account(tmp_path)
    host.subuid("set", name, "--services", "yes")
    host.subuid("remove", "web1", "--yes", user=owner)
    host.subuid("restore", "web1", user=owner)
    assert admitted(name) and host.subuid_json("show", name)["account"]["services"] == "yes"


def test_a_manager_has_its_home_and_a_way_to_it_for_its_ranges(host, tmp_path, stack):
    more, said = stack
    owner, name, _ = host.account(tmp_path)
    host.subuid("range", "add", "65536", name)
    first = host.subuid_json("range", "list", "--owner", owner)[0]["first"]
    uid, place = pwd.getpwnam(name).pw_uid, Path(pwd.getpwnam(name).pw_dir)
    (place / "home/file").write_text("here\n")
    os.chmod(place / "home", 0o755)
    as_id = f"setpriv --reuid {first + 4} --regid {first + 4} --clear-groups"
    more.write_text(f"{as_id} cat {place}/home/file\n{as_id} touch {place}/x || echo closed\nls {place}\n"
                    f"setpriv --reuid {uid} --regid {uid} --clear-groups touch {place}/home/made\nls -d /etc/machine-id /srv/subuid\n")
    assert run("pamtester", "systemd-user", name, "open_session", check=False).returncode != 0, "the control: it may not yet"
    said.unlink()
    host.subuid("set", name, "--services", "yes")
    assert run("pamtester", "systemd-user", name, "acct_mgmt", "open_session").returncode == 0
    lines = said.read_text().splitlines()
    assert lines[0] == f"HOME={place}/home" and "here" in lines and "closed" in lines and "home" in lines, lines
    assert (place / "home/made").stat().st_uid == uid
    outside = run(*as_id.split(), "cat", f"{place}/home/file", check=False)
    assert outside.returncode == 1 and "Permission denied" in outside.stderr, "on the host it stays closed"
    assert not any(line.split()[4] == str(place) for line in Path("/proc/self/mountinfo").read_text().splitlines())
