# SPDX-License-Identifier: ISC
"""Backups and restores of a tree with everything odd in it, through real sshd and rsync."""

import os
import pwd
import stat
import sys
from pathlib import Path

import pytest

from conftest import ROOT, run

sys.path.insert(0, str(ROOT / "tests"))
from tree import differences  # noqa: E402


def odd_tree(top):
    """Files of every kind and mode, with names that break careless programs."""
    top.mkdir()
    (top / "only-root").write_text("secret")
    os.chmod(top / "only-root", 0o600)
    (top / "closed").mkdir()
    (top / "closed/inside").write_text("hidden")
    (top / "setuid").write_text("#!/bin/sh\n")
    os.chmod(top / "setuid", 0o4755)
    os.link(top / "only-root", top / "hard-link")
    (top / "link").symlink_to("../../../etc/passwd")
    (top / "dangling").symlink_to("/nowhere")
    for name in ("a name with  spaces", "quotes'\"`$(id)", "new\nline", "-n", "--delete", "ünïcödé", "back\\slash", "*", "[a]",
                 "~", "#"):
        (top / name).write_text(name)
    (top / os.fsdecode(b"\xff\xfe not utf-8")).write_text("bytes")
    with open(top / "sparse", "wb") as file:
        file.truncate(8 << 20)
        file.seek(0, 2)
        file.write(b"end")
    os.setxattr(top / "only-root", "user.note", b"kept")
    run("setfacl", "-m", "u:12345:rw,g:54321:r", top / "setuid")
    run("setfacl", "-d", "-m", "u:12345:rwx", top / "closed")
    os.mkfifo(top / "fifo")
    os.mknod(top / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(top / "disk", 0o660 | stat.S_IFBLK, os.makedev(7, 77))
    os.mknod(top / "socket", 0o755 | stat.S_IFSOCK)
    os.chown(top / "disk", 0, 6)
    os.lchown(top / "dangling", 12345, 54321)
    os.link(top / "null", top / "null-too")
    (top / "group's").mkdir()
    os.chmod(top / "group's", 0o3775)
    run("cp", "/bin/true", top / "capable")
    run("setcap", "cap_net_raw+ep", top / "capable")
    os.chown(top / "-n", 12345, 54321)
    os.chown(top / "setuid", 1, 2)
    os.chmod(top / "setuid", 0o4755)
    os.chmod(top / "closed", 0)
    (top / "deep").mkdir()
    deep = top / "deep"
    for n in range(30):
        deep = deep / f"level{n}"
        deep.mkdir()
    (deep / "bottom").write_text("x")
    # rsync compares times by the second, so nothing may be from the second in which it is restored.
    for n, path in enumerate(sorted(top.rglob("*"), reverse=True) + [top]):
        when = 981173096789000000 + n * 1000000007
        os.utime(path, ns=(when, when), follow_symlinks=False)
    return top


FULL = ["-aHAXS", "--numeric-ids"]


def test_a_restore_brings_back_everything_as_it_was(host, tmp_path):
    owner, name, push = host.account(tmp_path)
    pull = host.new_key(tmp_path, "pull")
    host.subuid("key", "add", "web1", "-", "--role", "pull", user=owner, input=Path(f"{pull}.pub").read_text())
    source = odd_tree(tmp_path / "source")
    host.rsync(push, *FULL, "--delete", f"{source}/", f"{name}@127.0.0.1:tree/")
    again = host.rsync(push, *FULL, "--delete", "--itemize-changes", f"{source}/", f"{name}@127.0.0.1:tree/")
    assert again.stdout == "", "the second push has nothing to do"
    host.rsync(pull, *FULL, f"{name}@127.0.0.1:tree/", f"{tmp_path}/restored/")
    found = list(differences(source, tmp_path / "restored"))
    assert found == [], "\n".join(found)
    # The control: the comparison does see a difference.
    os.chmod(tmp_path / "restored/only-root", 0o640)
    assert len(list(differences(source, tmp_path / "restored"))) == 2
    assert host.rsync(push, "-a", f"{name}@127.0.0.1:tree/", f"{tmp_path}/stolen/", check=False).returncode != 0
    assert host.rsync(pull, "-a", f"{source}/", f"{name}@127.0.0.1:tree/", check=False).returncode != 0


def test_on_disk_nothing_is_setuid_or_a_device_or_foreign(host, tmp_path):
    owner, name, push = host.account(tmp_path)
    source = odd_tree(tmp_path / "source")
    host.rsync(push, *FULL, f"{source}/", f"{name}@127.0.0.1:tree/")
    uid = pwd.getpwnam(name).pw_uid
    home = f"/srv/subuid/{owner}/web1/home"
    assert run("find", home, "-perm", "/6000").stdout == ""
    assert run("find", home, "-not", "-uid", uid).stdout == ""
    assert run("find", home, "-not", "-gid", uid).stdout == ""
    assert run("find", home, "-type", "c", "-o", "-type", "b", "-o", "-type", "p", "-o", "-type", "s").stdout == ""


def test_the_owner_reads_all_of_it_and_may_clean_up(host, tmp_path):
    """With the view `owner`; test_view.py is about the other one."""
    owner, name, push = host.account(tmp_path)
    host.subuid("set", "web1", "--view", "owner", user=owner)
    source = odd_tree(tmp_path / "source")
    host.rsync(push, *FULL, f"{source}/", f"{name}@127.0.0.1:tree/")
    view = f"/home/{owner}/subuid/web1"
    assert run("cat", f"{view}/tree/only-root", user=owner).stdout == "secret"
    assert run("cat", f"{view}/tree/closed/inside", user=owner).stdout == "hidden"
    everything = run("find", f"{view}/", "-type", "f", "-exec", "cat", "{}", "+", user=owner, text=False)
    assert len(everything.stdout) > 8 << 20 and everything.stderr == b""
    # --fake-super keeps a symlink as a file with the link's text; a real one is not followed.
    assert run("cat", f"{view}/tree/link", user=owner).stdout == "../../../etc/passwd"
    Path(f"/srv/subuid/{owner}/web1/home/real").symlink_to("/etc/passwd")
    link = run("cat", f"{view}/real", user=owner, check=False)
    assert link.returncode != 0 and "Too many levels" in link.stderr
    assert run("readlink", f"{view}/real", user=owner).stdout == "/etc/passwd\n"
    # Whatever the sub-account does to modes and ACLs.
    uid = pwd.getpwnam(name).pw_uid
    run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "sh", "-c",
        f"cd /srv/subuid/{owner}/web1/home && setfacl -Rb . && find tree -depth -exec chmod 0 {{}} + && chmod 0 .")
    run("chmod", "u+rwx", view, user=owner)
    run("chmod", "-R", "u+rwX", f"{view}/tree", user=owner)
    run("rsync", "-rt", f"{view}/tree/", f"/home/{owner}/copy/", user=owner)
    assert Path(f"/home/{owner}/copy/only-root").read_text() == "secret"
    run("sh", "-c", f"echo mine >{view}/from-owner", user=owner)
    assert os.stat(f"/srv/subuid/{owner}/web1/home/from-owner").st_uid == uid
    run("rm", "-rf", f"{view}/tree", user=owner)
    # Nobody else, not even another account of the same owner.
    stranger = host.new_user()
    run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "chmod", "0777",
        f"/srv/subuid/{owner}/web1/home")
    host.subuid("add", "web2", user=owner)
    other = pwd.getpwnam(f"{owner}+web2").pw_uid
    for path in (f"{view}/", f"/srv/subuid/{owner}/web1/home", f"/srv/subuid/{owner}/web1/view"):
        assert run("ls", path, user=stranger, check=False).returncode != 0
        assert run("setpriv", "--reuid", str(other), "--regid", str(other), "--clear-groups", "ls", path,
                   check=False).returncode != 0


@pytest.mark.parametrize("options", [
    ["-a"], ["-aHAX"], ["-a", "--old-args"], ["-a", "--inplace"], ["-a", "--partial"], ["-a", "--bwlimit=100000"],
    ["-rlt", "--chmod=D700,F600"], ["-a", "--delete-after"], ["-az"], ["-a", "--checksum"], ["-a", "--no-W"],
    ["-a", "--numeric-ids", "--stats"], ["-a", "-M--fake-super"], ["-ahv", "--progress"], ["-a", "--whole-file"],
])
def test_option_sets_of_real_clients(host, tmp_path, options):
    _, name, key = host.account(tmp_path, "sync")
    source = tmp_path / "source"
    (source / "sub dir").mkdir(parents=True)
    (source / "sub dir/file").write_text("one")
    (source / "two").write_text("two")
    host.rsync(key, *options, f"{source}/", f"{name}@127.0.0.1:some/")
    (source / "two").write_text("two, changed")
    host.rsync(key, *options, f"{source}/", f"{name}@127.0.0.1:some/")
    host.rsync(key, "-a", f"{name}@127.0.0.1:some/", f"{tmp_path}/back/")
    assert (tmp_path / "back/sub dir/file").read_text() == "one"
    assert (tmp_path / "back/two").read_text() == "two, changed"


def test_snapshots_by_link_dest_share_what_did_not_change(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    source = tmp_path / "source"
    source.mkdir()
    (source / "same").write_text("same" * 1000)
    (source / "changes").write_text("1")
    at = f"{name}@127.0.0.1"
    host.rsync(key, *FULL, f"{source}/", f"{at}:mon/")
    (source / "changes").write_text("22")
    host.rsync(key, *FULL, "--delete", "--link-dest=../mon", f"{source}/", f"{at}:tue/")
    home = Path(f"/srv/subuid/{owner}/web1/home")
    assert (home / "mon/same").stat().st_ino == (home / "tue/same").stat().st_ino
    assert (home / "mon/changes").read_text() == "1" and (home / "tue/changes").read_text() == "22"


def test_files_from_and_a_push_onto_an_existing_name(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    source = tmp_path / "source"
    source.mkdir()
    for word in ("a", "b", "c"):
        (source / word).write_text(word)
    (tmp_path / "list").write_text("a\nc\n")
    host.rsync(key, "-a", f"--files-from={tmp_path}/list", f"{source}/", f"{name}@127.0.0.1:some/")
    home = Path(f"/srv/subuid/{owner}/web1/home")
    assert sorted(path.name for path in (home / "some").iterdir()) == ["a", "c"]
    (source / "b").write_text("b, longer")
    host.rsync(key, "-a", f"{source}/b", f"{name}@127.0.0.1:some/a")
    assert (home / "some/a").read_text() == "b, longer"


def test_no_delete_and_no_overwrite(host, tmp_path):
    owner, name, key = host.account(tmp_path, "push", "web1", None, "--no-delete", "--no-overwrite")
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("1")
    host.rsync(key, "-a", f"{source}/", f"{name}@127.0.0.1:some/")
    (source / "a").write_text("22")
    host.rsync(key, "-a", f"{source}/", f"{name}@127.0.0.1:some/", check=False)
    assert Path(f"/srv/subuid/{owner}/web1/home/some/a").read_text() == "1"
    (source / "a").unlink()
    assert host.rsync(key, "-a", "--delete", f"{source}/", f"{name}@127.0.0.1:some/", check=False).returncode != 0
    assert Path(f"/srv/subuid/{owner}/web1/home/some/a").exists()
