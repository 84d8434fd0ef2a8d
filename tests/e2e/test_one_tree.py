# SPDX-License-Identifier: ISC
"""One account, one tree of paths: what one client wrote as /d, d or ~/d the others find as that, with the real clients."""

import json
import os
import re
import shutil

import pytest

from conftest import ROOT, run
from test_tools import as_account, borg, home_of, restic, sftp, ssh_command, sshfs  # noqa: F401

NAMES = ["one/d", "/one/d", "~/one/d"]


@pytest.fixture
def source(tmp_path):
    tree = tmp_path / "source"
    tree.mkdir()
    (tree / "a").write_text("first")
    return tree


def rclone(host, key, name, *argv, check=True):
    """Over sftp."""
    spec = f":sftp,host=127.0.0.1,user={name},key_file={key},shell_type=none,disable_hashcheck=true:"
    return run("rclone", *(word.replace("HOST:", spec) for word in argv), env={"RCLONE_CONFIG": ""}, check=check)


def test_rsync_sftp_sshfs_and_rclone_have_one_tree(host, tmp_path, source, sshfs):  # noqa: F811
    _, name, key = host.account(tmp_path, "sync,sftp")
    key = key.rename(tmp_path / "key")  # without a comma, at which rclone and restic cut
    home, at = home_of(name), f"{name}@127.0.0.1"
    assert re.search(r"directory: /$", sftp(host, key, name, "pwd", check=True).stdout, re.M)
    for there in NAMES:  # rsync writes, sftp and scp read
        shutil.rmtree(home / "one", ignore_errors=True)
        host.rsync(key, "-a", "--mkpath", f"{source}/", f"{at}:{there}/")
        assert (home / "one/d/a").read_text() == "first", there
        sftp(host, key, name, "ls /one/d/a", "cd one", "ls d/a", "cd d", "get a " + str(tmp_path / "got"), check=True)
        assert re.search(r"directory: /one/d$", sftp(host, key, name, "cd /one/../one/d", "pwd", check=True).stdout, re.M)
        run("scp", "-s", *host.ssh_options(key), f"{at}:{there}/a", tmp_path / "got")
        assert (tmp_path / "got").read_text() == "first"
    for made in ("/by-sftp", "by-sftp2", "/srv", "/usr", "/etc", "/usr/lib"):  # sftp makes, also what the system has names of
        sftp(host, key, name, f"mkdir {made}", f"put {source}/a {made}/a", f"rename {made}/a {made}/b", f"ln -s b {made}/l",
             f"chmod 600 {made}/b", f"ls -l {made}/b", f"get -p {made}/l {tmp_path}/got", check=True)
        back = host.rsync(key, "-a", f"{at}:{made}/", f"{tmp_path}/back/")
        assert back.returncode == 0 and (tmp_path / "back/b").read_text() == "first" and (home / made.lstrip("/") / "b").exists()
        sftp(host, key, name, f"rm {made}/b", f"rm {made}/l", check=True)
    run("scp", "-s", *host.ssh_options(key), source / "a", f"{at}:~/tilde")
    run("scp", "-s", *host.ssh_options(key), source / "a", f"{at}:/slash")
    assert (home / "tilde").exists() and (home / "slash").exists()
    rclone(host, key, name, "copy", str(source), "HOST:/by-rclone")
    assert "first" == (home / "by-rclone/a").read_text() == rclone(host, key, name, "cat", "HOST:by-rclone/a").stdout
    there = sshfs(key, name)
    assert (there / "one/d/a").read_text() == "first" and os.statvfs(there).f_blocks > 0
    os.truncate(there / "slash", 2)
    os.link(there / "slash", there / "hard")
    assert (home / "hard").read_text() == "fi"
    sftp(host, key, name, "rmdir /usr/lib", "rmdir /srv", "df /", check=True)
    # Paths that a client composes from pwd's answer, and from the home's own path, which was the answer before.
    for top in ("/", f"{home}/"):
        host.rsync(key, "-a", f"{source}/", f"{at}:{top}/composed/")
        host.rsync(key, "-a", f"--link-dest={top}composed", f"{source}/", f"{at}:{top}linked/")
        assert (home / "composed/a").stat().st_ino == (home / "linked/a").stat().st_ino
        sftp(host, key, name, f"cd {top}linked", f"get {top}linked/a {tmp_path}/got", f"ls {top}", check=True)
        shutil.rmtree(home / "linked")
    assert not (home / "srv").exists()


def test_nothing_outside_has_a_name_over_sftp(host, tmp_path):
    """The kernel's part: without the names, too."""
    _, name, key = host.account(tmp_path, "sftp")
    for path in ("/etc/passwd", "/usr/lib/os-release", "../account.db", "/../../..", f"{home_of(name)}/../../../x"):
        said = sftp(host, key, name, f"get {path} {tmp_path}/stolen")
        assert said.returncode != 0 and not (tmp_path / "stolen").exists(), path
    as_account(name, "ln", "-s", "/etc/passwd", home_of(name) / "out")
    assert sftp(host, key, name, f"get out {tmp_path}/stolen").returncode != 0


def test_borg_and_restic_have_the_tree_of_rsync(host, tmp_path, source):
    _, name, key = host.account(tmp_path, "sync,borg,restic,sftp")
    key = key.rename(tmp_path / "key")
    home, at = home_of(name), f"{name}@127.0.0.1"
    borg(host, key, name, "init", "-e", "none", repo="/repo")
    assert (home / "repo/config").exists()
    for repo in ("/repo", "/./repo", "/~/repo", f"{home}/repo"):  # the last: as it had to be called before
        borg(host, key, name, "create", f"::{NAMES_OF[repo[:3]]}", source, repo=repo)
    assert len(json.loads(borg(host, key, name, "list", "--json", repo="/./repo").stdout)["archives"]) == 4
    host.rsync(key, "-a", f"{at}:/repo", f"{tmp_path}/copy/")
    assert (tmp_path / "copy/repo/config").exists()
    for repo in ("/~/../../x", "/etc"):  # (the client makes /repo of /../repo)
        assert borg(host, key, name, "list", repo=repo, check=False).returncode != 0, repo
    restic(host, key, name, "init", repo="r")
    restic(host, key, name, "backup", source, repo="/r")
    env = {"RESTIC_PASSWORD": "x"}
    for path in ("r", "/r", f"{home}/r"):
        said = run("restic", "-o", f"sftp.command={ssh_command(host, key)} {at} -s sftp", "-r", f"sftp:{at}:{path}", "snapshots",
                   "--no-cache", "--json", env=env)
        assert len(json.loads(said.stdout)) == 1, path


NAMES_OF = {"/re": "a", "/./": "b", "/~/": "c", "/sr": "d"}


@pytest.mark.parametrize("server, never", [("/usr/lib/openssh/sftp-server", set()),
                                           # of OCaml's library; unison calls none of them with a path of its client's
                                           ("/usr/bin/unison", {"linkat", "mkfifo", "realpath", "chroot"})])
def test_every_call_of_the_server_with_a_path_is_ours(server, never):
    """One that this server has and we do not know would go by another tree."""
    calls = {line.split()[-1].split("@")[0] for line in run("nm", "-D", server).stdout.splitlines()}
    paths = {"open", "open64", "openat", "stat", "lstat", "fstatat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename",
             "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "readlink", "readlinkat", "truncate", "chmod",
             "fchmodat", "chown", "lchown", "fchownat", "utimes", "lutimes", "futimesat", "utimensat", "utime", "opendir", "statvfs",
             "statvfs64", "getcwd", "access", "faccessat", "creat", "mknod", "mkfifo", "statx", "stat64", "lstat64", "truncate64",
             "fopen", "chdir", "chroot", "realpath"}
    ours = set(re.findall(r"(\w+);", (ROOT / "backup/own_name.map").read_text()))
    assert calls & paths - never <= ours and {"mkdir", "rename"} <= calls & paths
