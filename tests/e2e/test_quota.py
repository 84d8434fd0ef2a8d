# SPDX-License-Identifier: ISC
"""The quota of an account is the kernel's: what a key may push ends there."""

import os
import pwd
from pathlib import Path

import pytest

from conftest import run, wait_until

HOMES = Path("/srv/subuid")
MIB = 1 << 20


@pytest.fixture(scope="module")
def disk_with_quotas(host, tmp_path_factory):
    """btrfs in place of the homes' file system: kernels have it with quotas more often than ext4 or xfs."""
    image = tmp_path_factory.mktemp("disk") / "image"
    image.touch()
    os.truncate(image, 512 * MIB)
    run("mkfs.btrfs", "-q", image)
    host.stop_daemon()
    status = HOMES.stat()
    run("mount", "-o", "loop", image, HOMES)
    os.chown(HOMES, status.st_uid, status.st_gid)
    HOMES.chmod(status.st_mode & 0o7777)
    run("btrfs", "quota", "enable", HOMES)
    host.start_daemon()
    yield
    host.stop_daemon()
    run("umount", "-R", HOMES)
    host.start_daemon()


@pytest.mark.parametrize("role", ["push", "blind", "sync"])
def test_a_key_fills_the_disk_up_to_the_quota(host, tmp_path, disk_with_quotas, role):
    source = tmp_path / "source"
    source.mkdir()
    for n in range(3):
        (source / f"file{n}").write_bytes(os.urandom(8 * MIB))
    results = {}
    for label, options in (("limited", ["--quota", "10M"]), ("free", [])):  # the second is the control
        owner, name, key = host.account(tmp_path, role, label, None, *options)
        result = host.rsync(key, "-a", f"{source}/", f"{name}@127.0.0.1:", check=False)
        stored = sum(path.stat().st_size for path in (HOMES / owner / label / "home").rglob("*"))
        results[label] = (result.returncode, "Disk quota exceeded" in result.stderr, stored)
    assert results["free"] == (0, False, 24 * MIB)
    failed, said, stored = results["limited"]
    assert failed != 0 and said and stored <= 10 * MIB


def test_a_quota_that_is_lifted_lets_the_rest_in(host, tmp_path, disk_with_quotas):
    (tmp_path / "file").write_bytes(os.urandom(12 * MIB))
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--quota", "10M")
    assert host.rsync(key, tmp_path / "file", f"{name}@127.0.0.1:", check=False).returncode != 0
    host.subuid("set", "web1", "--quota", "none", user=owner)
    host.rsync(key, tmp_path / "file", f"{name}@127.0.0.1:")


def qgroups():
    """{group: its parents}"""
    rows = [line.split() for line in run("btrfs", "qgroup", "show", "-p", HOMES).stdout.splitlines()]
    return {row[0]: row[3].split(",") for row in rows if row and row[0][0].isdigit()}


def test_what_is_used_is_the_number_of_the_file_system(host, tmp_path, disk_with_quotas):
    (tmp_path / "file").write_bytes(os.urandom(6 * MIB))
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--quota", "10M")
    host.rsync(key, tmp_path / "file", f"{name}@127.0.0.1:")
    run("btrfs", "filesystem", "sync", HOMES)
    uid = host.subuid_json("show", name)["account"]["uid"]
    rows = [line.split() for line in run("btrfs", "qgroup", "show", "--raw", HOMES).stdout.splitlines()]
    (group,) = [int(row[1]) for row in rows if row and row[0] == f"1/{uid}"]
    assert 6 * MIB <= group < 7 * MIB
    assert host.subuid_json("show", name)["account"]["usedBytes"] == group
    assert f'subuid_account_used_bytes{{owner="{owner}",account="web1"}} {group}\n' in host.subuid("metrics").stdout


FILL = """
import os, sys
block, n = os.urandom(1 << 20), 0
try:
    for n in range(60):
        with open(f"{sys.argv[1]}/f{n}", "wb") as file:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
except OSError:
    print(n)
else:
    print(60)
"""


def test_subvolumes_of_an_account_are_one_group(host, tmp_path, disk_with_quotas):
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--quota", "20M")
    home, uid = HOMES / owner / "web1" / "home", pwd.getpwnam(name).pw_uid
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    assert "bytes: enforced by the file system; files: metered after each run" in host.subuid("show", name).stdout
    host.stop_daemon()  # which looks at it soon after it was made
    run(*become, "btrfs", "subvolume", "create", home / "nested")
    nested = "0/" + run("btrfs", "inspect-internal", "rootid", home / "nested").stdout.strip()
    # the control: what is in it counts for none until the account is looked at
    assert run(*become, "/usr/bin/python3", "-c", FILL, home / "nested").stdout == "60\n"
    run("find", home / "nested", "-name", "f*", "-delete")
    host.start_daemon()
    wait_until(lambda: f"1/{uid}" in qgroups()[nested], "the nested one is a member after a start")
    run("btrfs", "qgroup", "remove", nested, f"1/{uid}", HOMES)
    host.rsync(key, "-a", "/etc/hostname", f"{name}@127.0.0.1:")
    wait_until(lambda: f"1/{uid}" in qgroups()[nested], "it is a member after a run")
    run("btrfs", "filesystem", "sync", HOMES)
    assert int(run(*become, "/usr/bin/python3", "-c", FILL, home / "nested").stdout) < 20
    host.subuid("remove", "web1", "--purge", "--yes", user=owner)
    wait_until(lambda: f"1/{uid}" not in qgroups(), "its group is gone")
