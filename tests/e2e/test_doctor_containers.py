# SPDX-License-Identifier: ISC
"""subuid doctor --containers, its word about lines below ranges, and subuid setup --containers and --lxc."""

import json
import os
import pwd
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import run

FILES = [Path("/etc/subuid"), Path("/etc/subgid")]
MAPPERS = [Path("/usr/bin/newuidmap"), Path("/usr/bin/newgidmap")]


def checks(host, *argv):
    result = host.subuid("doctor", *argv, "--json", check=False)
    return result.returncode, {check["check"]: check for check in json.loads(result.stdout)["checks"]}


@contextmanager
def files_kept():
    before = [path.read_bytes() if path.exists() else None for path in FILES]
    try:
        yield
    finally:
        for path, content in zip(FILES, before):
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)


def test_a_container_is_tried_and_what_is_missing_is_said(host):
    owner = host.new_user()
    with files_kept():
        for path in FILES:  # what useradd wrote
            path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith(f"{owner}:")))
        status, said = checks(host, "--containers", owner)
        assert status == 1 and said["range"]["todo"] == f"subuid range add 65536 --owner {owner}" and "container" not in said
        host.subuid("range", "add", "65536", user=owner)
        status, said = checks(host, "--containers", owner)
        assert status == 0 and "ran in one" in said["container"]["found"], said
        for mapper in MAPPERS:
            for broken in ("mode", "gone"):
                mode = mapper.stat().st_mode
                aside = Path(f"{mapper}.aside")
                if broken == "mode":
                    mapper.chmod(0o755)
                else:
                    mapper.rename(aside)
                status, said = checks(host, "--containers", owner)
                if broken == "mode":
                    mapper.chmod(mode)
                else:
                    aside.rename(mapper)
                assert status == 1 and "uidmap" in said[str(mapper)]["todo"], said
                assert f"{mapper.name} does not map the range" in said["container"]["found"], said
    assert checks(host, "--containers", "nobody-of-this-name")[0] == 1
    assert checks(host, "--containers")[1]["owner"]["found"], "of anyone who has a range"
    assert host.subuid("doctor", owner, check=False).returncode == 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_line_that_came_below_a_range_is_told(host, path):
    first, second = host.new_user(), host.new_user()
    with files_kept():
        for file in FILES:
            file.write_text("".join(line for line in file.read_text().splitlines(True)
                                    if not line.startswith((f"{first}:", f"{second}:"))))
            with file.open("a") as lines:
                lines.write(f"{first}:700000000:65536\n")
        for owner in (first, second):
            host.subuid("range", "add", "65536", user=owner)
        said = checks(host)[1]
        assert "podman" not in said[str(path)]["found"], "the control: a line that was there before"
        with path.open("a") as lines:
            lines.write(f"{second}:800000000:65536\n")
        result = host.subuid("doctor", check=False)
        assert f"{second} has ids from 800000000 on, which came after their range" in result.stdout
        assert f"{first} has ids from" not in result.stdout
        path.write_text(path.read_text().replace(f"{second}:800000000:65536\n", f"{second}:2000000000:65536\n"))
        assert "which came after their range" not in host.subuid("doctor", check=False).stdout, "above it nothing moves"


def test_without_systemd_nothing_is_delegated(host):
    dropin = Path("/etc/systemd/system/user@.service.d/60-subuidd-delegate.conf")
    result = host.subuid("setup", "--containers", "--dry-run")
    assert "containers" in result.stdout and not dropin.exists()
    assert host.subuid("setup", "--containers", "--undo", check=False).returncode == 2


@pytest.fixture
def lxc(host):
    """This host has LXC, as far as setup and doctor look."""
    program, directory = Path("/usr/bin/lxc-start"), Path("/etc/lxc")
    made = not program.exists()
    directory.mkdir(exist_ok=True)
    if made:
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    owner = host.new_user()
    yield owner, Path(pwd.getpwnam(owner).pw_dir), host.subuid_json("range", "add", "65536", user=owner)["first"]
    if made:
        program.unlink()


def enters(uid, directory):
    return run("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "stat", f"{directory}/.", check=False).returncode == 0


def reads(uid, directory):
    return run("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "ls", directory, check=False).returncode == 0


def test_root_of_lxc_containers_gets_through_the_home_and_nobody_else(host, lxc):
    owner, home, first = lxc
    own = pwd.getpwnam(owner).pw_uid
    share = home / ".local/share"
    share.mkdir(parents=True)
    home.chmod(0o700)
    (home / ".local").chmod(0o700)
    for directory in (share, home / ".local"):
        os.chown(directory, own, own)
    usernet = Path("/etc/lxc/lxc-usernet")
    usernet.write_text("bob veth br0 3\n")
    assert not enters(first, home), "the control"
    said = host.subuid("doctor", "--containers", owner, check=False).stdout
    for directory in (home, home / ".local"):
        assert f"root of a container does not get through {directory}; subuid setup --lxc {owner}\n" in said
    assert f"no network; subuid setup --lxc {owner} --lxc-network\n" in said
    before = home.stat(), (home / ".local").stat(), share.stat()

    out = host.subuid("setup", "--lxc", owner, "--lxc-network", "--dry-run").stdout
    assert f"(dry run) {home}: " in out and f"+{owner} veth lxcbr0 10" in out and not enters(first, home)
    host.subuid("setup", "--lxc", owner)
    assert enters(first, share) and not reads(first, home)
    assert not enters(first + 1, home) and not enters(own + 1000, home)
    assert usernet.read_text() == "bob veth br0 3\n"
    host.subuid("setup", "--lxc", owner, "--lxc-network")
    assert usernet.read_text() == f"bob veth br0 3\n{owner} veth lxcbr0 10\n"
    assert "nothing had to be changed" in host.subuid("setup", "--lxc", owner, "--lxc-network").stdout
    said = checks(host, "--containers", owner)[1]
    assert "gets to its root" in said["LXC"]["found"] and "LXC network" not in said

    usernet.write_text(usernet.read_text() + "carl veth br0 1\n")
    host.stop_daemon()
    host.subuid("setup", "--undo", "--keep-data")
    after = home.stat(), (home / ".local").stat(), share.stat()
    host.subuid("setup")
    host.start_daemon()
    assert [stat.st_mode for stat in after] == [stat.st_mode for stat in before] and not enters(first, home)
    assert os.listxattr(home) == [] and usernet.read_text() == "bob veth br0 3\ncarl veth br0 1\n"


def test_what_a_mask_takes_from_others_stays_taken(host, lxc):
    """An entry that was removed leaves a mask behind, and a mode that is set is a mask, where there are entries."""
    owner, home, first = lxc
    home.chmod(0o700)
    run("setfacl", "-m", "u:1:x", home)
    run("setfacl", "-x", "u:1", home)
    assert "mask::---" in run("getfacl", "-cp", home).stdout
    host.subuid("setup", "--lxc", owner)
    assert enters(first, home) and not enters(first + 1, home)
    run("setfacl", "-b", home)

    home.chmod(0o750)
    host.subuid("setup", "--lxc", owner)
    assert enters(first, home)
    home.chmod(0o700)
    assert "group::r-x" in run("getfacl", "-cpE", home).stdout, "the control: it is in the ACL, and the mask takes it away"
    refused = host.subuid("setup", "--lxc", owner, check=False)
    assert refused.returncode == 1 and "changes its ACL by hand" in refused.stderr and not enters(first, home)
    host.stop_daemon()
    host.subuid("setup", "--undo", "--keep-data")
    mode = home.stat().st_mode & 0o777
    host.subuid("setup")
    host.start_daemon()
    assert mode == 0o700 and os.listxattr(home) == []


def test_an_owner_leads_no_acl_elsewhere(host, lxc):
    owner, home, first = lxc
    target = Path("/root/secret")
    target.mkdir(mode=0o700)
    (target / "share").mkdir(mode=0o700)
    (home / ".local").symlink_to(target)
    result = host.subuid("setup", "--lxc", owner, check=False)
    assert result.returncode == 1 and f"{home}/.local: " in result.stderr, result
    (home / ".local").unlink()
    target.rename(home / ".local")  # another user's
    assert host.subuid("setup", "--lxc", owner, check=False).returncode == 1
    assert os.listxattr(home / ".local") == [] and os.listxattr(home / ".local/share") == [], "nor what is below"
    assert os.listxattr(home) == [], "a step that fails takes all of its run back"
    assert host.subuid("setup", "--lxc-network", check=False).returncode == 2
    assert host.subuid("setup", "--undo", "--lxc", owner, check=False).returncode == 2
    assert host.subuid("setup", "--lxc", host.new_user(), check=False).returncode == 1  # without a range
