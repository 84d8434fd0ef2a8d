# SPDX-License-Identifier: ISC
"""What a server sent is what its restore gives; what a broken-into server forged harms nobody who looks at it.

A whole Debian that is pushed, pulled, compared and booted: tests/restore (make check-restore)."""

import os
import pwd
import re
import stat
from pathlib import Path

import pytest

from conftest import ROOT, run

README = (ROOT / "README.md").read_text()


def forged_tree(host, tmp_path):
    """The account's uid (a server that was broken into, or rsync taken over) writes what it likes into its home."""
    owner, name, push = host.account(tmp_path)
    pull = host.new_key(tmp_path, "pull")
    host.subuid("key", "add", "web1", "-", "--role", "pull", user=owner, input=Path(f"{pull}.pub").read_text())
    uid = pwd.getpwnam(name).pw_uid
    script = """
cd %s && mkdir tree && cd tree
cp /bin/id suid && setfattr -n user.rsync.%%stat -v '104755 0,0 0:0' suid
: >disk && setfattr -n user.rsync.%%stat -v '60666 7,0 0:0' disk
: >memory && setfattr -n user.rsync.%%stat -v '20666 1,1 0:0' memory
: >fifo && setfattr -n user.rsync.%%stat -v '10666 0,0 0:0' fifo
printf /etc/shadow >link && setfattr -n user.rsync.%%stat -v '120777 0,0 0:0' link
echo plain >plain && ln -s /etc/shadow real-link
""" % f"/srv/subuid/{owner}/web1/home"
    run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "bash", "-c", script)
    return owner, name, pull


def special(top):
    found = []
    for path in sorted(Path(top).rglob("*")):
        mode = path.lstat().st_mode
        if mode & 0o6000 or stat.S_ISBLK(mode) or stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
            found.append(path.name)
    return found


def documented(pattern):
    """The options of the README's own command."""
    return re.search(pattern, README).group(1).split()


def test_a_forged_tree_harms_neither_an_owner_nor_root_who_looks_at_it(host, tmp_path):
    owner, name, pull = forged_tree(host, tmp_path)
    view = f"/home/{owner}/subuid/web1/tree"
    # The owner: copies with everything that cp and rsync can keep.
    run("cp", "-a", view, f"/home/{owner}/cp", user=owner)
    run("rsync", "-aHAX", f"{view}/", f"/home/{owner}/rsync/", user=owner, check=False)
    for copy in (f"/home/{owner}/cp", f"/home/{owner}/rsync"):
        assert special(copy) == []
        assert Path(f"{copy}/plain").read_text() == "plain\n"
    # Root of the backup host, through the view and on the disk.
    run("cp", "-a", view, f"{tmp_path}/root-cp")
    run("rsync", "-aHAX", f"/srv/subuid/{owner}/web1/home/tree/", f"{tmp_path}/root-rsync/")
    assert special(tmp_path / "root-cp") == [] and special(tmp_path / "root-rsync") == []
    assert not os.path.exists(f"{tmp_path}/root-rsync/link") or os.path.isfile(f"{tmp_path}/root-rsync/link")
    # Root elsewhere, who wants the files of a server that was broken into: the README's command.
    options = documented(r"newhost# rsync (-rltH[^\n]*?) -e 'ssh -i ~/.ssh/restore'")
    host.rsync(pull, *options, f"{name}@127.0.0.1:tree/", f"{tmp_path}/looked/")
    assert special(tmp_path / "looked") == []
    assert Path(f"{tmp_path}/looked/plain").read_text() == "plain\n"
    # The control: a full restore honours what is said, as it must for the server's own root.
    host.rsync(pull, "-aHAX", "--numeric-ids", f"{name}@127.0.0.1:tree/", f"{tmp_path}/full/")
    assert special(tmp_path / "full") == ["disk", "fifo", "memory", "suid"]


@pytest.mark.parametrize("numeric", [True, False])
def test_two_servers_with_users_of_their_own(host, tmp_path, numeric):
    """carol is 1234 on one, dave is 1234 on the other, and on the backup host 1234 is somebody else."""
    owner = host.new_user()
    options = ["-aHAX"] + (["--numeric-ids"] if numeric else [])
    for label, user in (("web1", "carol"), ("web2", "dave")):
        _, name, push = host.account(tmp_path, "push", label, owner)
        pull = host.new_key(tmp_path, f"pull-{label}")
        host.subuid("key", "add", label, "-", "--role", "pull", user=owner, input=Path(f"{pull}.pub").read_text())
        tree = tmp_path / f"{label}-tree"
        (tree / "etc").mkdir(parents=True)
        (tree / "etc/passwd").write_text(f"root:x:0:0::/:/bin/sh\n{user}:x:1234:1234::/:/bin/sh\n")
        (tree / "mine").write_text(user)
        os.chown(tree / "mine", 1234, 1234)
        host.rsync(push, *options, f"{tree}/", f"{name}@127.0.0.1:all/")
        host.rsync(pull, *options, f"{name}@127.0.0.1:all/", f"{tmp_path}/{label}-back/")
        back = tmp_path / f"{label}-back"
        status = (back / "mine").stat()
        assert (status.st_uid, status.st_gid) == (1234, 1234)
        names = {line.split(":")[2]: line.split(":")[0] for line in (back / "etc/passwd").read_text().splitlines()}
        assert names[str(status.st_uid)] == user
