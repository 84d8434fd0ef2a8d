# SPDX-License-Identifier: ISC
"""The quota of an account is the kernel's: what a key may push ends there."""

import os
from pathlib import Path

import pytest

from conftest import run

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
