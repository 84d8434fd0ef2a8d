# SPDX-License-Identifier: ISC
"""subuid ls and copy: the tree as the server had it, and out of it, harmless."""

import os
import pwd
import stat
import subprocess
from pathlib import Path

import pytest

from conftest import run


@pytest.fixture
def pushed(host, tmp_path):
    """What a server's root pushed; and, past rsync, what only somebody who has the account's uid can make."""
    owner, name, key = host.account(tmp_path)
    top = tmp_path / "source"
    (top / "etc/closed").mkdir(parents=True)
    (top / "etc/shadow").write_text("secret\n")
    os.chmod(top / "etc/shadow", 0o600)
    (top / "etc/closed/inside").write_text("hidden\n")
    os.chmod(top / "etc/closed/inside", 0o400)
    os.chmod(top / "etc/closed", 0o500)
    (top / "suid").write_bytes(b"#!/bin/sh\n")
    os.chown(top / "suid", 0, 1234)
    os.chmod(top / "suid", 0o6755)
    os.link(top / "suid", top / "other-name")
    os.mknod(top / "memory", stat.S_IFCHR | 0o640, os.makedev(1, 1))
    os.mkfifo(top / "fifo")
    for link, target in {"inside": "etc/shadow", "up": "etc/../../x", "out": "../out", "absolute": "/etc/passwd"}.items():
        (top / link).symlink_to(target)
    (top / "etc/back").symlink_to("../suid")
    os.utime(top / "etc/shadow", (1_700_000_000, 1_700_000_000))
    host.rsync(key, "-aHAXS", f"{top}/", f"{name}@127.0.0.1:tree/")
    uid = pwd.getpwnam(name).pw_uid
    home = f"/srv/subuid/{owner}/web1/home"
    run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "sh", "-c",
        f"cd {home}/tree && ln -s /etc/passwd real-out && ln -s . dot && ln -s dot/../../secret chain && mkfifo real-fifo && "
        "cp suid real-suid && chmod 6755 real-suid && mkdir deep && echo x >deep/x && chmod 0 deep/x deep && "
        "truncate -s 1T sparse && printf x | dd of=sparse bs=1 seek=1G conv=notrunc status=none")
    return owner, name, top


def rows(host, owner, *words):
    return {row["path"]: row for row in host.subuid_json("ls", *words, user=owner)}


def test_ls_shows_what_the_server_had(host, pushed):
    owner, name, _ = pushed
    found = rows(host, owner, "web1:tree")
    assert found["suid"]["mode"] == "6755" and (found["suid"]["uid"], found["suid"]["gid"]) == (0, 1234)
    assert found["memory"]["kind"] == "character-device" and found["memory"]["device"] == "1,1"
    assert found["fifo"]["kind"] == "fifo" and found["real-fifo"]["kind"] == "fifo"
    assert found["absolute"]["kind"] == "link" and found["absolute"]["target"] == "/etc/passwd"
    assert found["real-out"]["target"] == "/etc/passwd" and not found["real-out"]["stored"]
    assert found["sparse"]["size"] == 1 << 40
    for place in ("web1:/tree/etc", "web1:~/tree/etc", f"{name}:tree/etc"):
        assert rows(host, owner, place)["shadow"] == {
            "path": "shadow", "kind": "file", "mode": "0600", "stored": True, "uid": 0, "gid": 0, "size": 7,
            "modified": 1_700_000_000}
    assert rows(host, owner, "web1:tree/etc/shadow")["tree/etc/shadow"]["mode"] == "0600"
    everything = rows(host, owner, "--recursive", "web1")
    assert {"tree", "tree/etc/closed/inside", "tree/deep/x"} <= set(everything)
    shown = host.subuid("ls", "web1:tree", user=owner).stdout
    assert "-rwsr-sr-x" in shown and "absolute -> /etc/passwd" in shown and "1,1" in shown
    # and not through links, out of the home, or for others
    for place in ("web1:tree/real-out", "web1:tree/dot/etc", "web1:..", "web1:tree/../../home", "web1:nothing"):
        result = host.subuid("ls", place, user=owner, check=False)
        assert (result.returncode == 1 and result.stderr.startswith("subuid: ")) or place == "web1:tree/real-out", place
    assert host.subuid("ls", name, user=host.new_user(), check=False).returncode == 5
    assert host.subuid("ls", "web2", user=owner, check=False).returncode == 3
    assert "tree" in host.subuid("ls", name).stdout  # root may, too


def kinds(top):
    found = {}
    for directory, names, files in os.walk(top):
        for entry in names + files:
            path = Path(directory, entry)
            found[str(path.relative_to(top))] = path.lstat()
    return found


def test_copy_takes_everything_and_nothing_that_acts(host, pushed):
    owner, _, source = pushed
    out = f"/home/{owner}/out"
    said = host.subuid_json("copy", "web1:tree", out, user=owner)
    found = kinds(out)
    own = pwd.getpwnam(owner)
    assert {(st.st_uid, st.st_gid) for st in found.values()} == {(own.pw_uid, own.pw_gid)}
    assert not [name for name, st in found.items() if st.st_mode & 0o7000 and not stat.S_ISLNK(st.st_mode)]
    assert {name for name, st in found.items() if stat.S_ISLNK(st.st_mode)} == {"inside", "etc/back", "dot"}
    assert not {"memory", "fifo", "real-fifo", "up", "out", "absolute", "real-out", "chain"} & set(found)
    assert (said["devicesLeftOut"], said["linksLeftOut"], said["failed"]) == (3, 5, 0)
    assert Path(out, "etc/closed/inside").read_text() == "hidden\n" and Path(out, "deep/x").read_text() == "x\n"
    assert stat.S_IMODE(found["etc/shadow"].st_mode) == 0o600 and found["etc/shadow"].st_mtime == 1_700_000_000
    assert found["suid"].st_ino == found["other-name"].st_ino and found["suid"].st_mode & 0o777 == 0o755
    assert found["sparse"].st_size == 1 << 40 and found["sparse"].st_blocks < 1 << 12
    run("rm", "-rf", out, user=owner)
    assert not os.path.exists(out)
    # one file
    host.subuid("copy", "web1:tree/etc/shadow", f"/home/{owner}/shadow", user=owner)
    assert Path(f"/home/{owner}/shadow").read_text() == "secret\n"


def test_copy_lists_what_the_server_had(host, pushed):
    owner, _, _ = pushed
    listed = host.subuid("copy", "--list", "web1:tree", f"/home/{owner}/listed", user=owner).stdout
    lines = {line.split(None, 6)[6]: line.split(None, 6)[:4] for line in listed.splitlines() if line.split()[1] == "0"}
    assert lines["suid"] == ["-rwsr-sr-x", "0", "1234", "10"] and lines["etc/shadow"] == ["-rw-------", "0", "0", "7"]
    assert lines["memory  (left out)"] == ["crw-r-----", "0", "0", "1,1"]
    assert lines["absolute -> /etc/passwd  (left out)"][0].startswith("l") and "etc/back -> ../suid" in lines
    assert any(line.startswith("d") and line.endswith("  deep") for line in listed.splitlines()), "not stored: no owner"
    one = host.subuid("copy", "--list", "web1:tree/etc/shadow", f"/home/{owner}/one", user=owner).stdout
    assert one.splitlines()[0].startswith("-rw-------  0 0 ") and one.splitlines()[0].endswith("tree/etc/shadow")
    refused = host.subuid("--json", "copy", "--list", "web1:tree", f"/home/{owner}/json", user=owner, check=False)
    assert refused.returncode == 2 and not os.path.exists(f"/home/{owner}/json")


def test_copy_overwrites_nothing_and_goes_through_no_link(host, pushed):
    owner, _, _ = pushed
    home = Path(f"/home/{owner}")
    (home / "precious").write_text("mine\n")
    (home / "there").mkdir()
    (home / "link").symlink_to("there")
    (home / "dangling").symlink_to("nowhere")
    for dest in ("there", "link", "dangling", "precious"):
        for place in ("web1:tree", "web1:tree/etc/shadow"):
            refused = host.subuid("copy", place, str(home / dest), user=owner, check=False)
            assert refused.returncode == 1 and "nothing is overwritten" in refused.stderr
    assert (home / "precious").read_text() == "mine\n" and os.listdir(home / "there") == []
    assert not os.path.exists(home / "nowhere")
    assert host.subuid("copy", "web1:tree", "/root/out", user=owner, check=False).returncode == 1
    missing = host.subuid("copy", "web1:none", str(home / "new"), user=owner, check=False)
    assert missing.returncode == 1 and not os.path.exists(home / "new")


@pytest.mark.parametrize("who", ["owner", "root"])
def test_an_untrusted_copy_is_nobodys(host, pushed, tmp_path, who):
    owner, name, _ = pushed
    user, out = (owner, f"/home/{owner}/looked") if who == "owner" else (None, f"{tmp_path}/looked")
    said = host.subuid("copy", "--untrusted", f"{name}:tree", out, user=user).stdout
    uid, top = pwd.getpwnam(name).pw_uid, os.lstat(out)
    assert stat.S_IMODE(top.st_mode) == 0o700 and top.st_uid == (pwd.getpwnam(owner).pw_uid if user else 0)
    found = kinds(out)
    assert {(st.st_uid, st.st_gid) for st in found.values()} == {(uid, uid)}
    assert not [n for n, st in found.items() if stat.S_ISREG(st.st_mode) and st.st_mode & 0o7111]
    assert run("cat", f"{out}/etc/shadow", user=user).stdout == "secret\n"
    assert run("ls", out, user=host.new_user(), check=False).returncode != 0
    delete = said.strip().splitlines()[-1].split("To delete it: ")[1]
    run("sh", "-c", delete, user=user)
    assert not os.path.exists(out)


def test_git_of_an_untrusted_copy_does_not_run_for_root(host, tmp_path):
    owner, name, key = host.account(tmp_path)
    proof = tmp_path / "hit"
    run("git", "init", "-q", tmp_path / "etc")
    run("git", "-C", tmp_path / "etc", "config", "core.fsmonitor", f"/bin/sh -c 'id -u >{proof}'")
    host.rsync(key, "-a", f"{tmp_path}/etc/", f"{name}@127.0.0.1:etc/")
    for how, words in (("trusted", []), ("untrusted", ["--untrusted"])):
        host.subuid("copy", *words, f"{name}:etc", f"{tmp_path}/{how}")
        git = run("git", "-C", f"{tmp_path}/{how}", "status", check=False)
        assert proof.exists() == (how == "trusted"), git  # the control: files of root's own
        proof.unlink(missing_ok=True)


def test_a_tree_that_changes_under_the_copy(host, pushed):
    """A directory that becomes a link to the owner's own files, again and again: none of these is copied."""
    owner, name, _ = pushed
    uid = pwd.getpwnam(name).pw_uid
    secret = Path(f"/home/{owner}/private")
    secret.mkdir(mode=0o700)
    (secret / "key").write_text("private\n")
    run("chown", "-R", f"{owner}:", secret)
    home = f"/srv/subuid/{owner}/web1/home"
    flip = (f"cd {home}/tree && mkdir real && echo x >real/key && ln -s {secret} link && "
            "while :; do mv -T real flip; mv -T flip real; mv -T link flip; mv -T flip link; done")
    flipper = subprocess.Popen(["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "sh", "-c", flip],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        seen = set()
        for i in range(300):
            host.subuid("copy", "web1:tree/flip", f"/home/{owner}/flip{i}", user=owner, check=False)
            copied = Path(f"/home/{owner}/flip{i}/key")
            seen.add(copied.exists())
            assert not copied.exists() or copied.read_text() == "x\n"
            if i >= 10 and len(seen) == 2:  # the directory was met, and something else was
                break
        assert seen == {True, False}
    finally:
        flipper.kill()
        flipper.wait()


def test_progress_is_for_terminals(host, pushed):
    owner, _, _ = pushed
    assert host.subuid("copy", "web1:tree", f"/home/{owner}/quiet", user=owner).stderr == ""
    seen = run("script", "-qec", "subuid copy web1:tree ~/loud", "/dev/null", user=owner).stdout
    assert "files" in seen
