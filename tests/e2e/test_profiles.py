# SPDX-License-Identifier: ISC
"""The shipped profiles beside those of test_tools.py, with the real clients; and what a thief with such a key gets."""

import json
import os
from pathlib import Path

import pytest

from conftest import run
from test_runs import log, logged
from test_tools import ADMIN, as_account, canary, home_of, sftp, ssh_command, tree  # noqa: F401: fixtures


def key_more(host, tmp_path, name, role, *options):
    """One more key of the account."""
    key = host.new_key(tmp_path, "more-" + "-".join([role.replace(",", "-"), *options]))
    owner, label = name.split("+")
    host.subuid("key", "add", label, "-", "--role", role, *options, user=owner, input=Path(f"{key}.pub").read_text())
    return key


def last(host, name, count):
    entry = logged(host, name, count)[0]
    return entry["kind"], entry["tool"], entry["status"]


# ---- rdiff-backup

def rdiff(host, key, *words, check=True):
    return run("rdiff-backup", "--remote-schema", f"{ssh_command(host, key)} {{h}} rdiff-backup --server", *words, check=check, timeout=180)


def test_rdiff_backup_backs_up_and_restores(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "rdiff-backup")
    there = f"{name}@127.0.0.1::d"
    rdiff(host, key, "backup", tree, there)
    assert last(host, name, 1) == ("backup", "rdiff-backup", 0)
    (tree / "file").write_text("second")
    run("sleep", "1")  # an increment has a second of its own
    rdiff(host, key, "backup", tree, there)
    assert (home_of(name) / "d/file").read_text() == "second"
    rdiff(host, key, "restore", "--at", "1B", there, tmp_path / "back")
    assert (tmp_path / "back/file").read_text() == "first" and (tmp_path / "back/big").read_bytes() == (tree / "big").read_bytes()
    assert last(host, name, 3) == ("read", "rdiff-backup", 0)
    rdiff(host, key, "verify", there)
    # read-only: the kernel says so
    reader = key_more(host, tmp_path, name, "rdiff-backup", "--read-only")
    said = rdiff(host, reader, "restore", there, tmp_path / "again", check=False)  # it cannot write a log there, and says so
    assert "Read-only file system" in said.stderr and "ERROR" not in said.stderr, said
    assert (tmp_path / "again/file").read_text() == "second"
    before = sorted(str(path) for path in home_of(name).rglob("*"))
    assert rdiff(host, reader, "backup", tree, there, check=False).returncode != 0
    assert rdiff(host, reader, "remove", "increments", "--older-than", "0B", there, check=False).returncode != 0
    assert sorted(str(path) for path in home_of(name).rglob("*")) == before
    # there is no append-only form of it
    adder = key_more(host, tmp_path, name, "rdiff-backup", "--append-only")
    said = rdiff(host, adder, "backup", tree, f"{name}@127.0.0.1::e", check=False)
    assert said.returncode != 0 and not (home_of(name) / "e").exists() and "append-only" in said.stdout + said.stderr


def test_rdiff_backup_has_the_tree_of_rsync(host, tmp_path, tree):
    """Also below names that its own modules lie under, and with a link that leads to one."""
    _, name, key = host.account(tmp_path, "rdiff-backup,sync")
    home, at = home_of(name), f"{name}@127.0.0.1"
    os.symlink("/usr/lib/python3", tree / "absolute")
    host.rsync(key, "-a", "--mkpath", f"{tree}/", f"{at}:/usr/lib/python3/")
    for number, there in enumerate(("/d", "~/d", "d", f"{home}/d", "/usr/lib/rdiff", "/usr/lib/python3/rdiff_backup")):
        (tree / "file").write_text(f"{number}")
        run("sleep", "1")
        rdiff(host, key, "backup", tree, f"{at}::{there}")
        place = home / there.removeprefix(f"{home}/").lstrip("~/")
        assert (place / "file").read_text() == f"{number}" and os.readlink(place / "absolute") == "/usr/lib/python3"
        host.rsync(key, "-a", f"{at}:{there}/", f"{tmp_path}/by-rsync{number}/")
        rdiff(host, key, "restore", f"{at}::{there}", tmp_path / f"back{number}")
        for copy in ("by-rsync", "back"):
            assert (tmp_path / f"{copy}{number}/file").read_text() == f"{number}"
        rdiff(host, key, "verify", f"{at}::{there}")
    assert len(list((home / "d/rdiff-backup-data").glob("mirror_metadata.*snapshot*"))) == 1
    rdiff(host, key, "restore", "--at", "3B", f"{at}::/d", tmp_path / "oldest")
    assert (tmp_path / "oldest/file").read_text() == "0"
    rdiff(host, key, "--force", "remove", "increments", "--older-than", "1B", f"{at}::/d")
    assert len(list((home / "d/rdiff-backup-data/increments").iterdir())) == 1
    assert sorted(os.listdir(home)) == ["d", "usr"]
    rdiff(host, key, "backup", f"{at}::/usr/lib/python3", tmp_path / "pulled")
    assert (tmp_path / "pulled/file").read_text() == "first"


def test_rdiff_backup_reaches_nothing_outside(host, tmp_path, tree, canary):
    _, name, key = host.account(tmp_path, "rdiff-backup")
    home = home_of(name)
    for place in (str(canary[1]), "../other", "/etc/x"):
        assert rdiff(host, key, "backup", tree, f"{name}@127.0.0.1::{place}", check=False).returncode != 0, place
    rdiff(host, key, "backup", f"{name}@127.0.0.1::/etc", tmp_path / "stolen", check=False)
    rdiff(host, key, "backup", f"{name}@127.0.0.1::{canary[0]}", tmp_path / "stolen2", check=False)
    as_account(name, "ln", "-s", canary[1], home / "out")
    assert rdiff(host, key, "backup", tree, f"{name}@127.0.0.1::out/d", check=False).returncode != 0
    for stolen in ("stolen", "stolen2"):
        assert [path.name for path in (tmp_path / stolen).glob("*") if path.name != "rdiff-backup-data"] == []


# ---- git

def git(host, key, *words, cwd=None, check=True):
    return run("git", "-c", "user.name=a", "-c", "user.email=a@b", *words, cwd=cwd, check=check, timeout=120,
               env={"GIT_SSH_COMMAND": ssh_command(host, key), "HOME": "/root"})


@pytest.fixture
def work(tmp_path):
    directory = tmp_path / "work"
    run("git", "init", "-q", "-b", "main", directory)
    (directory / "file").write_text("first\n")
    run("git", "add", "file", cwd=directory)
    run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first", cwd=directory)
    return directory


def commit(work, text):
    (work / "file").write_text(text)
    run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-a", "-m", text, cwd=work)


def bare(name, directory="r.git"):
    as_account(name, "git", "init", "-q", "--bare", "-b", "main", home_of(name) / directory)
    return home_of(name) / directory


def test_git_pushes_clones_and_fetches(host, tmp_path, work):
    _, name, key = host.account(tmp_path, "git-receive-pack,git-upload-pack")
    repository = bare(name)
    for number, url in enumerate((f"ssh://{name}@127.0.0.1/r.git", f"ssh://{name}@127.0.0.1/~/r.git", f"{name}@127.0.0.1:r.git",
                                  f"{name}@127.0.0.1:{repository}")):
        commit(work, f"{number}")
        git(host, key, "push", "-q", url, "main", cwd=work)
        assert last(host, name, 2 * number + 1) == ("backup", "git-receive-pack", 0)
        git(host, key, "clone", "-q", url, tmp_path / f"clone{number}")
        assert (tmp_path / f"clone{number}/file").read_text() == f"{number}"
        assert last(host, name, 2 * number + 2) == ("read", "git-upload-pack", 0)
    # more than one packet, by a pack
    for i in range(200):
        (work / f"f{i}").write_bytes(os.urandom(2000))
    run("git", "add", ".", cwd=work)
    commit(work, "many")
    git(host, key, "push", "-q", f"{name}@127.0.0.1:r.git", "main", cwd=work)
    git(host, key, "pull", "-q", cwd=tmp_path / "clone0")
    assert (tmp_path / "clone0/f199").exists()
    # where there is none, and a word too many
    said = git(host, key, "push", f"{name}@127.0.0.1:none.git", "main", cwd=work, check=False)
    assert said.returncode != 0 and "not appear to be a git repository" in said.stderr
    assert host.ssh(key, name, "git-upload-pack --help").returncode != 0
    assert host.ssh(key, name, "git-upload-archive r.git").returncode != 0


def refs(repository):
    return run("git", "-c", "safe.directory=*", "for-each-ref", "--format=%(refname) %(objectname)", cwd=repository).stdout


def deletion(host, key, name, *refs):
    """As no git client asks for it: what is to be deleted is said to have been nothing, which git's own settings pass."""
    nothing = "0" * 40
    lines = [f"{nothing} {nothing} {ref}" + "\0report-status" * (ref == refs[0]) for ref in refs]
    return host.ssh(key, name, "git-receive-pack r.git", input="".join(f"{len(line) + 4:04x}{line}" for line in lines) + "0000").stdout


def test_git_keys_fetch_only_or_add_only(host, tmp_path, work):
    _, name, key = host.account(tmp_path, "git-receive-pack", "web1", None, "--append-only")
    repository = bare(name)
    url = f"{name}@127.0.0.1:r.git"
    run("git", "tag", "v1", cwd=work)
    run("git", "-c", "user.name=a", "-c", "user.email=a@b", "notes", "add", "-m", "kept", cwd=work)
    git(host, key, "push", "-q", url, "main", "v1", "refs/notes/commits", cwd=work)
    commit(work, "second")
    git(host, key, "push", "-q", url, "main", "main:other", cwd=work)
    before = refs(repository)
    assert len(before.splitlines()) == 4
    assert git(host, key, "ls-remote", url, check=False).returncode != 0
    for what in (":main", ":v1", ":refs/notes/commits", "+main:refs/tags/v1", "+main:refs/notes/commits"):
        said = git(host, key, "push", url, what, cwd=work, check=False)
        assert said.returncode != 0 and refs(repository) == before, (what, said)
        assert "prohibited" in said.stderr or "this key is append-only" in said.stderr, said
    assert deletion(host, key, name, "refs/heads/main", "refs/tags/v1").count("hook declined") == 2 and refs(repository) == before
    run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--amend", "-m", "other", cwd=work)
    said = git(host, key, "push", "--force", url, "main", cwd=work, check=False)
    assert said.returncode != 0 and "non-fast-forward" in said.stderr and refs(repository) == before
    reader = key_more(host, tmp_path, name, "git-upload-pack", "--read-only")
    git(host, reader, "clone", "-q", url, tmp_path / "clone")
    assert git(host, reader, "push", url, "HEAD:refs/heads/new", cwd=work, check=False).returncode != 0
    # The control: without the restriction it is as git has it.
    other = key_more(host, tmp_path, name, "git-receive-pack")
    git(host, other, "push", "-q", "--force", url, "main", ":refs/notes/commits", "+main:v1", cwd=work)
    deletion(host, other, name, "refs/heads/other")
    assert [line.split()[0] for line in refs(repository).splitlines()] == ["refs/heads/main", "refs/tags/v1"]


def plant(repository, name, mark):
    """All that makes git run something, or read elsewhere, as somebody with another key of the account can write it."""
    script = f"#!/bin/sh\necho ran >>{mark}\n"
    lines = [f"cat >{repository}/hooks/$hook <<'E'\n{script}E\nchmod +x {repository}/hooks/$hook"]
    as_account(name, "sh", "-c", "for hook in pre-receive update post-receive post-update reference-transaction proc-receive push-to-checkout; do\n"
               + "\n".join(lines) + "\ndone")
    as_account(name, "sh", "-c", f"""cat >>{repository}/config <<'E'
[core]
	alternateRefsCommand = echo ran >>{mark}; true
	fsmonitor = echo ran >>{mark}
	sshCommand = echo ran >>{mark}
	hooksPath = {repository}/hooks
	askPass = {repository}/hooks/update
[uploadpack]
	packObjectsHook = {repository}/hooks/update
[receive]
	procReceiveRefs = refs/heads/proc
	certNonceSeed = x
[gpg]
	program = {repository}/hooks/update
[alias]
	rev-list = !echo ran >>{mark}
	index-pack = !echo ran >>{mark}
E""")


def test_git_runs_nothing_that_a_repository_says(host, tmp_path, work, canary):
    """Hooks, commands in its config, alternates: nobody but git runs, and it reads nothing outside."""
    _, name, key = host.account(tmp_path, "git-receive-pack,git-upload-pack")
    repository, mark = bare(name), home_of(name) / "ran"
    url = f"{name}@127.0.0.1:r.git"
    outside = Path("/var/tmp/outside.git")
    run("git", "clone", "-q", "--bare", work, outside)
    run("chmod", "-R", "a+rX", outside)
    try:
        plant(repository, name, mark)
        as_account(name, "sh", "-c", f"echo {outside}/objects >{repository}/objects/info/alternates")
        said = git(host, key, "push", url, "main", cwd=work, check=False)
        commit(work, "second")
        git(host, key, "push", url, "main", cwd=work, check=False)
        git(host, key, "push", url, "main:refs/heads/proc", cwd=work, check=False)
        git(host, key, "clone", "-q", url, tmp_path / "clone", check=False)
        assert not mark.exists(), (said, mark.read_text())
        # The control: git as the account without the confinement.
        as_account(name, "sh", "-c", f"rm {repository}/objects/info/alternates; cd {home_of(name)} && git clone -q r.git c && cd c && "
                                     "git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git push -q", check=False)
        assert mark.exists()
        # an object that lies outside has no name here
        as_account(name, "sh", "-c", f"echo {outside}/objects >{repository}/objects/info/alternates; rm -rf {repository}/objects/??")
        said = git(host, key, "clone", url, tmp_path / "other", check=False)
        assert said.returncode != 0 or not (tmp_path / "other/file").exists(), said
    finally:
        run("rm", "-rf", outside)


# ---- unison

def unison(host, key, name, home, *words, check=True):
    """unison takes no + in a name of a user: it comes from the configuration of ssh."""
    return run("unison", "-batch", "-auto", "-ui", "text", "-sshargs", " ".join([*host.ssh_options(key), "-o", f"User={name}"]), *words,
               env={"HOME": str(home), "UNISON": str(home / ".unison")}, check=check, timeout=120)


def test_unison_goes_both_ways(host, tmp_path, tree, canary):
    _, name, key = host.account(tmp_path, "unison")
    home, own = home_of(name), tmp_path / "own"
    own.mkdir()
    url = "ssh://127.0.0.1/d"
    unison(host, key, name, own, tree, url)
    assert (home / "d/big").read_bytes() == (tree / "big").read_bytes()
    assert last(host, name, 1)[1:] == ("unison", 0)
    as_account(name, "sh", "-c", f"echo there >{home}/d/there; rm {home}/d/file")
    unison(host, key, name, own, tree, url)
    assert (tree / "there").read_text() == "there\n" and not (tree / "file").exists()
    # "/" is the home: the tree that the others have
    assert host.ssh(key, name, "unison -version").returncode != 0
    unison(host, key, name, own, tree, f"ssh://127.0.0.1/{home}/d")
    (tree / "later").write_text("later")
    unison(host, key, name, own, tree, "ssh://127.0.0.1//d")
    assert (home / "d/later").read_text() == "later"
    as_account(name, "mkdir", home / "etc")
    as_account(name, "sh", "-c", f"echo own >{home}/etc/own")
    for place, found in (("//etc", ["own"]), (f"/{canary[1]}", [])):
        mine = tmp_path / place.strip("/").replace("/", "-")
        mine.mkdir()
        unison(host, key, name, own, mine, f"ssh://127.0.0.1/{place}", check=False)
        assert [path.name for path in mine.iterdir()] == found, place
    as_account(name, "ln", "-s", canary[1], home / "out")
    for place in ("../x", "//../../../etc", "out"):
        mine = tmp_path / place.strip("/").replace("/", "-")
        mine.mkdir()
        (mine / "mine").write_text("mine")
        unison(host, key, name, own, mine, f"ssh://127.0.0.1/{place}", check=False)
        assert [path.name for path in mine.iterdir()] == ["mine"], place
    assert not (home.parent / "x").exists()
    for option in ("--read-only", "--append-only"):
        other = key_more(host, tmp_path, name, "unison", option)
        assert unison(host, other, name, own, tree, url, check=False).returncode != 0


# ---- sftp by rclone

def test_rclone_serves_sftp(host, tmp_path, tree, canary):
    _, name, key = host.account(tmp_path, "rclone-sftp")
    home = home_of(name)
    said = sftp(host, key, name, "pwd", "mkdir d", f"put {tree}/big /d/big", f"put {tree}/file d/file", f"get d/file {tmp_path}/back",
                "rename d/file d/other", "rm d/other", check=True)
    assert "Remote working directory: /\n" in said.stdout and "NOTICE" not in said.stderr
    assert (home / "d/big").read_bytes() == (tree / "big").read_bytes() and (tmp_path / "back").read_text() == "first"
    assert last(host, name, 1)[:2] == ("backup", "rclone-sftp")
    run("rclone", "copy", tree, f":sftp,host=127.0.0.1,user={name},key_file={key}:up", "--transfers", "1", env={"RCLONE_CONFIG": "/notfound"})
    assert (home / "up/file").read_text() == "first"
    as_account(name, "ln", "-s", canary[0], home / "out")
    for line in ("get /etc/passwd", "get ../../../../etc/passwd", "get out", f"put {tree}/file {canary[1]}/x"):
        assert sftp(host, key, name, f"lcd {tmp_path}", line).returncode != 0, line
    reader = key_more(host, tmp_path, name, "rclone-sftp", "--read-only")
    assert sftp(host, reader, name, f"get d/big {tmp_path}/big2").returncode == 0
    for line in (f"put {tree}/file d/big", "rm d/big", "mkdir e", "rename d/big d/x"):
        assert sftp(host, reader, name, line).returncode != 0, line
    assert (home / "d/big").read_bytes() == (tree / "big").read_bytes() and not (home / "e").exists()
    said = sftp(host, key_more(host, tmp_path, name, "rclone-sftp", "--append-only"), name, f"put {tree}/file new")
    assert said.returncode != 0 and not (home / "new").exists() and "append-only" in said.stderr


# ---- what doctor says of them

def test_doctor_tries_each_profile(host):
    """The shipped ones start; of an administrator's it says which is wrong and why, and leaves nothing behind."""
    def said():
        checks = json.loads(host.subuid("doctor", "--json", check=False).stdout)["checks"]
        return [(check["result"], check["found"]) for check in checks if check["check"] == "profiles of tools"]

    before = sorted(Path("/run").iterdir())
    ((finding, what),) = said()
    assert finding == "good", what
    for name in ("sftp", "borg", "restic", "rdiff-backup", "git-receive-pack", "git-upload-pack", "unison", "rclone-sftp"):
        assert name in what.split(" start")[0].split(", "), what
    ADMIN.mkdir(parents=True, exist_ok=True)
    wrong = {"a": ("command = a\ncolour = red\n", "line 2: unknown setting"),
             "b": ("command = b\nexecute = /usr/bin/2to3\n[read-write]\nrun = /usr/bin/2to3\n", "/usr/bin/2to3: it does not start"),
             "c": ("command = c\nexecute = /usr/bin/env\nread = /dev/kmsg\n[read-write]\nrun = /usr/bin/env\n", "/dev/kmsg: no device but")}
    script = Path("/usr/bin/2to3")
    made = not script.exists()
    if made:
        script.write_text("#!/usr/bin/python3\n")
        script.chmod(0o755)
    try:
        for name, (text, _) in wrong.items():
            (ADMIN / f"{name}.conf").write_text(text)
        (ADMIN / "d.conf").write_text("command = d\nexecute = /usr/bin/none\n[read-write]\nrun = /usr/bin/none\n")
        (ADMIN / "e.conf").write_text("command = e\nexecute = /usr/bin/sleep\n[read-write]\nrun = /usr/bin/sleep 600\n")
        (ADMIN / "sftp.conf").write_text("command = sftp\n")
        found = said()
        for name, (_, words) in wrong.items():
            assert any(finding == "bad" and what.startswith(f"{name}: ") and words in what for finding, what in found), (name, found)
        assert any(finding == "bad" and what.startswith("sftp: ") for finding, what in found), found
        assert "not installed: what runs d" in found[-1][1] and "e" in found[-1][1].split(" start")[0].split(", ")
    finally:
        for name in (*wrong, "d", "e", "sftp"):
            (ADMIN / f"{name}.conf").unlink(missing_ok=True)
        if made:
            script.unlink()
    assert sorted(Path("/run").iterdir()) == before


def test_doctor_is_not_held_up_by_what_it_tries(host):
    """A program that ignores signals, as Go's do with some, and one that leaves a child."""
    ADMIN.mkdir(parents=True, exist_ok=True)
    script = Path("/usr/local/lib/subuid-left.py")
    script.write_text("import os, time\nif os.fork() == 0:\n    time.sleep(1000)\n")
    texts = {"deaf": "command = deaf\nexecute = /usr/bin/env /usr/bin/sleep\n[read-write]\n"
                     "run = /usr/bin/env --ignore-signal=ALRM --ignore-signal=TERM sleep 1000\n",
             "left": f"command = left\nexecute = /usr/bin/python3\nread = {script}\n[read-write]\nrun = /usr/bin/python3 {script}\n"}
    try:
        for name, text in texts.items():
            (ADMIN / f"{name}.conf").write_text(text)
        checks = json.loads(run("timeout", "100", "subuid", "doctor", "--json", check=False).stdout)["checks"]
        (what,) = [check["found"] for check in checks if check["check"] == "profiles of tools"]
        assert {"deaf", "left"} <= set(what.split(" start")[0].split(", ")), what
        left = run("pgrep", "-f", f"sleep 1000|{script}", check=False)
        assert left.stdout == "", left
    finally:
        for name in texts:
            (ADMIN / f"{name}.conf").unlink()
        script.unlink()
