# SPDX-License-Identifier: ISC
"""Imports onto homes that are there: what is the account's is taken up, and nothing that was there before is lost."""

import json
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import run, wait_until

STATE = Path("/var/lib/subuidd")
HOMES = Path("/srv/subuid")


def mounts():
    return {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}


def unmount_below(path):
    for mount in sorted(mounts(), reverse=True):
        if mount.startswith(f"{path}/"):
            run("umount", "-l", mount)


@pytest.fixture(autouse=True)
def new_host(host):
    """Nothing is known, and nothing lies there: stores are lost here, and what others left would be found."""
    if host.daemon is not None and host.daemon.poll() is None:
        host.stop_daemon()
    host.daemon = None
    unmount_below("/srv")
    for place in [*STATE.iterdir(), *HOMES.iterdir(), Path("/srv/away"), *Path("/home").glob("*/subuid"), Path("/var/backups/subuidd")]:
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    host.start_daemon()


def labels(host, owner):
    return {row["label"]: row for row in host.subuid_json("list", "--owner", owner)}


def check_is_sound(host):
    result = host.subuid("check", "--all", check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def owner_entry(directory):
    """The uid of the owner that the ACL of an account directory lets in."""
    for line in run("getfacl", "-n", "-p", directory).stdout.splitlines():
        if line.startswith("user:") and line.split(":")[1]:
            return int(line.split(":")[1])
    return 0


def on_the_disk():
    """Rows of tombstones for all that lies there, as `state repair` makes them."""
    for place in HOMES.glob("*/*"):
        if place.parent.name == ".making" or not place.is_dir():
            continue
        aside = place.parent.name == ".removed"
        yield {"kind": "tombstone", "owner": "" if aside else place.parent.name, "label": "" if aside else place.name,
               "first": place.stat().st_gid, "count": 1, "ownerUid": owner_entry(place)}


def accept_what_is_left(host):
    """A store that knows less than the host is not started with: what is left is accepted."""
    state = Path("/usr/libexec/subuidd/state")
    if state.exists():
        run(state, "repair", "--yes")
        host.start_daemon()
        return
    rows = list(on_the_disk())
    away = HOMES.with_name("away")
    away.mkdir()
    for place in list(HOMES.iterdir()):
        place.rename(away / place.name)
    host.start_daemon()
    host.subuid("import", "-", input="".join(json.dumps(row) + "\n" for row in rows) or "\n")
    for name in (".removed", ".making"):
        (HOMES / name).rmdir()
    for place in list(away.iterdir()):
        place.rename(HOMES / place.name)
    away.rmdir()


def lose_the_store(host):
    host.stop_daemon()
    for path in (*STATE.glob("state.db*"), STATE / "index", STATE / "keys", STATE / "high-water", HOMES / ".high-water"):
        path.unlink(missing_ok=True)
    accept_what_is_left(host)


def export_of(host, tmp_path, owner, name="export.json"):
    file = tmp_path / name
    file.write_text("".join(line + "\n" for line in host.subuid("export").stdout.splitlines()
                            if json.loads(line).get("owner") == owner))
    return file


def write_json(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def account_with_data(host, tmp_path, label="web1", text="what was pushed"):
    owner, name, key = host.account(tmp_path, label=label)
    data = tmp_path / f"data-{label}"
    data.mkdir()
    (data / "file").write_text(text)
    host.rsync(key, "-a", f"{data}/", f"{name}@127.0.0.1:")
    wait_until(lambda: '"run"' in export_of(host, tmp_path, owner).read_text(), "the run is recorded")
    return owner, name, key


def facts(path):
    """All of a tree that must stay as it is: names, inodes, owners, modes, contents."""
    found = {}
    for entry in sorted([Path(path), *Path(path).rglob("*")]):
        if "view" in entry.relative_to(path).parts[:-1]:  # the same once more
            continue
        stat = entry.lstat()
        if entry.name == "view":  # another mode and owner while it is mounted
            found[str(entry.relative_to(path))] = True
            continue
        content = os.readlink(entry) if entry.is_symlink() else entry.read_bytes() if entry.is_file() else b""
        # `home` itself is opened when its view is mounted, which may be a moment later
        mode = stat.st_mode & ~0o055 if entry.name == "home" or entry == Path(path) else stat.st_mode
        found[str(entry.relative_to(path))] = (stat.st_ino, stat.st_uid, stat.st_gid, mode, content)
    return found


def mounted(owner, label="web1"):
    return f"{HOMES}/{owner}/{label}/view" in mounts()


def strace_daemon(host, syscall, inject, *options):
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", *host.attached(), *options, "-e", f"trace={syscall}", "-e",
         f"inject={syscall}:{inject}"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace attached")
    return tracer


def killed_at(host, syscall, when, *command):
    """The daemon is killed at a system call, and started again. True: it was."""
    tracer = strace_daemon(host, syscall, f"signal=KILL:when={when}")
    host.subuid(*command, check=False)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(60)
    died = host.daemon.poll() is not None
    if died:
        host.daemon = None
        host.start_daemon()
    return died


# -- taken up


def test_an_import_takes_up_the_homes_that_are_there(host, tmp_path):
    owner, name, key = account_with_data(host, tmp_path)
    uid = labels(host, owner)["web1"]["uid"]
    file = export_of(host, tmp_path, owner)
    before = facts(HOMES / owner / "web1/home")
    lose_the_store(host)
    assert labels(host, owner) == {}
    result = host.subuid("import", file)
    assert f"{owner} web1: its home is there: taken up; link is there already" in result.stdout
    assert "made 3 (1 with the home that is there), there already 0, failed 0" in result.stdout
    assert labels(host, owner)["web1"]["uid"] == uid
    assert facts(HOMES / owner / "web1/home") == before
    assert run("cat", f"/home/{owner}/subuid/web1/file", user=owner).stdout == "what was pushed"
    (tmp_path / "data-web1/more").write_text("after")
    host.rsync(key, "-a", f"{tmp_path}/data-web1/", f"{name}@127.0.0.1:")
    assert (HOMES / owner / "web1/home/more").read_text() == "after"
    assert "its home is taken up" in host.subuid("audit", "--owner", owner).stdout
    check_is_sound(host)


def test_what_is_missing_of_a_home_is_made_anew(host, tmp_path):
    """View, link and ACL are made as for a new account; the data stays."""
    owner, _, _ = account_with_data(host, tmp_path)
    file = export_of(host, tmp_path, owner)
    before = facts(HOMES / owner / "web1/home")
    lose_the_store(host)
    place = HOMES / owner / "web1"
    run("umount", place / "view")
    (place / "view").rmdir()
    run("setfacl", "-b", place)
    shutil.rmtree(f"/home/{owner}/subuid")
    host.subuid("import", file)
    assert facts(place / "home") == before and mounted(owner)
    assert owner_entry(place) == pwd.getpwnam(owner).pw_uid
    assert run("cat", f"/home/{owner}/subuid/web1/file", user=owner).stdout == "what was pushed"
    check_is_sound(host)


def test_an_import_that_fails_leaves_the_homes_that_are_there(host, tmp_path):
    """The fault that there was: the import failed, and its undo moved the backups into the purge queue."""
    owner, _, _ = account_with_data(host, tmp_path)
    file = export_of(host, tmp_path, owner)
    before = facts(HOMES / owner / "web1/home")
    lose_the_store(host)
    link = Path(f"/home/{owner}/subuid/web1")
    link.unlink()
    link.write_text("in the way")
    result = host.subuid("import", file, check=False)
    assert result.returncode == 4 and "something else stands where the link should be" in result.stderr
    assert labels(host, owner) == {}
    assert facts(HOMES / owner / "web1/home") == before and link.read_text() == "in the way"
    link.unlink()
    host.subuid("import", file)
    assert facts(HOMES / owner / "web1/home") == before
    check_is_sound(host)


# The intents' commit, those of the home (its group and ACL), the view, the link, its flush, what is written out, the last commit.
POINTS = [("fdatasync", 1), ("fdatasync", 2), ("fdatasync", 3), ("fchown", 1), ("fsetxattr", 1), ("move_mount", 1),
          ("symlinkat", 1), ("fsync", 1), ("fsync", 2), ("fsync", 4), ("pwrite64", 4), ("sendto", 3), ("sendto", 4)]


@pytest.mark.parametrize("there", [True, False], ids=["all-there", "data-alone"])
def test_killed_at_a_system_call_all_stays_that_was_there(host, tmp_path, there):
    """Whatever comes of the import: data, link and view are as they were before it, or it is complete."""
    owner, _, _ = account_with_data(host, tmp_path)
    uid = labels(host, owner)["web1"]["uid"]
    file = export_of(host, tmp_path, owner)
    lose_the_store(host)
    if not there:
        shutil.rmtree(f"/home/{owner}/subuid")
        run("umount", HOMES / owner / "web1/view")
    before = facts(HOMES / owner), facts(f"/home/{owner}"), mounted(owner)
    deaths = 0
    for syscall, when in POINTS:
        deaths += killed_at(host, syscall, when, "import", file)
        present = wait_until(lambda: (labels(host, owner), all(row["state"] == "active" for row in
                                                              host.subuid_json("list", "--owner", owner))), "settled")[0]
        wait_until(lambda: host.subuid("check", "--owner", owner, check=False).returncode == 0 or not present, "settled")
        assert facts(HOMES / owner / "web1/home") == {k[10:] if k.startswith("web1/home/") else ".": v
                                                      for k, v in before[0].items() if k.startswith("web1/home")}
        assert not (HOMES / f".removed/{uid}").exists(), (syscall, when)
        if "web1" in present:
            assert present["web1"]["uid"] == uid
            wait_until(lambda: run("cat", f"/home/{owner}/subuid/web1/file", user=owner, check=False).stdout == "what was pushed",
                       "the view is mounted")
            lose_the_store(host)
            if not there:
                shutil.rmtree(f"/home/{owner}/subuid")
                run("umount", HOMES / owner / "web1/view")
            before = facts(HOMES / owner), facts(f"/home/{owner}"), mounted(owner)
        else:
            assert (facts(HOMES / owner), facts(f"/home/{owner}"), mounted(owner)) == before, (syscall, when)
    assert deaths > len(POINTS) // 2, "it was hardly ever killed"
    host.subuid("import", file)
    assert labels(host, owner)["web1"]["uid"] == uid
    check_is_sound(host)


# -- what stands in the way


def conflicts(owner, uid, other):
    """(what is put there, words of the refusal)."""
    place = HOMES / owner / "web1"
    aside = HOMES / f".removed/{uid}"

    def other_uid():
        run("chgrp", str(uid + 7), place)

    def made_for_another():
        run("setfacl", "-b", "-m", f"u:{other}:x", place)

    def twice():
        aside.mkdir(0o700)
        run("chgrp", str(uid), aside)

    def no_directory():
        place.rename(f"/srv/real-{owner}")
        place.write_text("a file")

    def a_link():
        place.rename(f"/srv/real-{owner}")
        place.symlink_to(f"/srv/real-{owner}")

    def not_roots_alone():
        run("chmod", "g+w", place)

    def home_of_another():
        run("chown", str(other), place / "home")

    def home_is_a_link():
        (place / "home").rename(place / "real")
        (place / "home").symlink_to(place / "real")

    def open_view():
        run("umount", place / "view", check=False)
        run("chmod", "0755", place / "view")

    def owners_directory():
        run("chown", str(other), HOMES / owner)

    def half_made():
        place.rename(f"/srv/real-{owner}")
        (HOMES / f".making/{uid}/home").mkdir(parents=True)
        (HOMES / f".making/{uid}/home/file").write_text("whose?")

    return [
        (other_uid, f"belongs to uid {uid + 7}, not {uid}; as root, import it with uid {uid + 7}"),
        (made_for_another, f"was made for an owner with uid {other}, not"),
        (twice, f"holds data of uid {uid} as well as {owner}/web1"),
        (no_directory, "is not an account directory that only root can write"),
        (a_link, "is not an account directory that only root can write"),
        (not_roots_alone, "is not an account directory that only root can write"),
        (home_of_another, f"the home in it belongs to uid {other}"),
        (home_is_a_link, "its home is not a directory"),
        (open_view, "the view in it is not"),
        (owners_directory, "is not a directory that only root can write"),
        (half_made, "contains data"),
    ]


@pytest.mark.parametrize("number", range(11))
def test_what_is_not_its_own_is_a_conflict_and_untouched(host, tmp_path, number):
    owner, _, _ = account_with_data(host, tmp_path)
    uid, other = labels(host, owner)["web1"]["uid"], pwd.getpwnam(host.new_user()).pw_uid
    file = export_of(host, tmp_path, owner)
    lose_the_store(host)
    spoil, words = conflicts(owner, uid, other)[number]
    spoil()
    before = facts(HOMES), facts(f"/home/{owner}")
    dry = host.subuid("import", file, "--dry-run", check=False)
    real = host.subuid("import", file, check=False)
    assert real.returncode == 4 and words in real.stderr, real.stderr
    assert (dry.returncode, dry.stderr) == (4, real.stderr), "a dry run has the same words"
    assert labels(host, owner) == {}
    assert (facts(HOMES), facts(f"/home/{owner}")) == before


def test_without_a_uid_it_is_said_which_one_to_name(host, tmp_path):
    owner, _, _ = account_with_data(host, tmp_path)
    uid = labels(host, owner)["web1"]["uid"]
    lose_the_store(host)
    before = facts(HOMES / owner)
    file = write_json(tmp_path / "a.json", {"owner": owner, "label": "web1"})
    for words in (["import", file], ["import", file, "--dry-run"], ["add", "web1", "--owner", owner]):
        result = host.subuid(*words, check=False)
        assert result.returncode == 4, result.stderr
        assert f"{HOMES}/{owner}/web1 exists already, and belongs to uid {uid}; as root, import it with uid {uid}" in result.stderr
    assert facts(HOMES / owner) == before and labels(host, owner) == {}
    write_json(file, {"owner": owner, "label": "web1", "uid": uid})
    host.subuid("import", file)
    assert facts(HOMES / owner / "web1/home") == {k[10:] if k.startswith("web1/home/") else ".": v
                                                  for k, v in before.items() if k.startswith("web1/home")}
    check_is_sound(host)


def test_a_uid_whose_files_lie_with_somebody_else_is_not_given_out(host, tmp_path):
    """Root copied homes from another host to the running one; the store has never heard of their uids."""
    owner, other = host.new_user(), host.new_user()
    uid = 2100900001
    place = HOMES / other / "web9"
    (place / "home").mkdir(parents=True)
    run("chown", str(uid), place / "home")
    run("chgrp", str(uid), place)
    place.chmod(0o710)
    (HOMES / other).chmod(0o711)
    file = write_json(tmp_path / "a.json", {"owner": owner, "label": "web1", "uid": uid})
    for option in ([], ["--dry-run"]):
        result = host.subuid("import", file, *option, check=False)
        assert result.returncode == 4 and f"{HOMES}/{other}/web9 belongs to it" in result.stderr, result.stderr
    aside = HOMES / ".removed/2100900002"
    aside.mkdir(0o700)
    run("chgrp", "2100900002", aside)
    run("setfacl", "-m", f"u:{pwd.getpwnam(other).pw_uid}:x", aside)
    write_json(file, {"owner": owner, "label": "web1", "uid": 2100900002})
    result = host.subuid("import", file, check=False)
    assert result.returncode == 4 and "made for an owner with uid" in result.stderr, result.stderr
    # its own owner gets them
    write_json(file, {"owner": other, "label": "web9", "uid": uid}, {"owner": other, "label": "web8", "uid": 2100900002})
    host.subuid("import", file)
    assert {label: row["uid"] for label, row in labels(host, other).items()} == {"web9": uid, "web8": 2100900002}
    check_is_sound(host)


# -- a dry run


@pytest.mark.parametrize("many", [False, True], ids=["one-call", "a-copy"])
def test_a_dry_run_says_what_would_become_of_homes_and_links(host, tmp_path, many):
    owner, _, _ = account_with_data(host, tmp_path)
    host.subuid("limit", owner, "--accounts", "500")
    uid = labels(host, owner)["web1"]["uid"]
    file = export_of(host, tmp_path, owner)
    lose_the_store(host)
    home = Path(f"/home/{owner}/subuid")
    (home / "occupied").write_text("mine")
    (home / "right").symlink_to(f"{HOMES}/{owner}/right/view")
    for name in ("occupied", "right"):
        os.lchown(home / name, *pwd.getpwnam(owner)[2:4])
    rows = [{"owner": owner, "label": "web1", "uid": uid}, {"owner": owner, "label": "fresh"},
            {"owner": owner, "label": "right"}, {"owner": owner, "label": "occupied"}]
    if many:
        rows = [{"owner": owner, "limits": "accounts=500 keys=10 ranges=10"}] + [
            {"owner": owner, "label": f"l{i}"} for i in range(70)] + rows
    write_json(file, *rows)
    before = facts(HOMES), facts(f"/home/{owner}")
    dry = host.subuid("import", file, "--dry-run", "--keep-going", check=False)
    assert (facts(HOMES), facts(f"/home/{owner}")) == before and labels(host, owner) == {}
    real = host.subuid("import", file, "--keep-going", check=False)
    said = [line.split(": ", 1)[1] for line in dry.stdout.splitlines() if line.startswith("line ")]
    assert said[-3:] == [f"{owner} web1: its home is there: taken up; link is there already",
                         f"{owner} fresh: home made; link made", f"{owner} right: home made; link is there already"]
    assert len(said) == len(rows) - (2 if many else 1)
    assert (dry.returncode, dry.stderr) == (real.returncode, real.stderr) and real.returncode == 4
    assert "something else stands where the link should be" in real.stderr
    assert dry.stdout.splitlines()[-1] == f"would be {real.stdout.splitlines()[-1]}"
    check_is_sound(host)


def test_a_dry_run_waits_for_no_home_that_hangs(host, tmp_path):
    """A home that does not answer fails its own lines, and holds up nobody else."""
    owner, other = host.new_user(), host.new_user()
    file = write_json(tmp_path / "a.json", {"owner": owner, "label": "x"}, {"owner": other, "label": "x"})
    report = tmp_path / "report"
    tracer = strace_daemon(host, "openat", "delay_enter=20000000", "-P", f"/home/{owner}")
    try:
        importer = subprocess.Popen(["/usr/bin/subuid", "import", file, "--dry-run", "--keep-going", "--report", report],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        host.subuid("list", "--owner", other)  # the daemon answers meanwhile
        out, _ = importer.communicate(timeout=60)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
    failed = [json.loads(line) for line in report.read_text().splitlines()]
    assert len(failed) == 1 and "did not answer in time" in failed[0]["why"], (failed, out)
    assert failed[0]["line"] == 1
    assert "would be made 1, there already 0, failed 1" in out
    assert labels(host, owner) == labels(host, other) == {}


# -- set aside


def purge_queue(host):
    """{uid: keep} of the store's table of data that is set aside."""
    host.stop_daemon()
    text = run("sqlite3", "-readonly", STATE / "state.db", "SELECT uid, keep FROM removed").stdout
    host.start_daemon()
    return dict(tuple(map(int, line.split("|"))) for line in text.split())


@pytest.mark.parametrize("keep", [False, True], ids=["grace", "kept"])
def test_data_that_was_set_aside_is_brought_back(host, tmp_path, keep):
    owner, name, key = account_with_data(host, tmp_path)
    uid = labels(host, owner)["web1"]["uid"]
    file = export_of(host, tmp_path, owner)
    before = facts(HOMES / owner / "web1/home")
    host.subuid("remove", "web1", *(["--keep-home"] if keep else []), user=owner)
    assert (HOMES / f".removed/{uid}/home/file").exists() and uid in purge_queue(host)
    dry = host.subuid("import", file, "--dry-run")
    assert f"{owner} web1: its data was set aside: brought back; link made" in dry.stdout
    assert (HOMES / f".removed/{uid}/home/file").exists()
    host.subuid("import", file)
    assert facts(HOMES / owner / "web1/home") == before and not (HOMES / f".removed/{uid}").exists()
    assert uid not in purge_queue(host)
    host.rsync(key, "-a", f"{tmp_path}/data-web1/", f"{name}@127.0.0.1:")
    assert run("cat", f"/home/{owner}/subuid/web1/file", user=owner).stdout == "what was pushed"
    check_is_sound(host)


def test_set_aside_data_without_a_row_is_brought_back(host, tmp_path):
    owner, _, _ = account_with_data(host, tmp_path)
    uid = labels(host, owner)["web1"]["uid"]
    file = export_of(host, tmp_path, owner)
    before = facts(HOMES / owner / "web1/home")
    host.subuid("remove", "web1", user=owner)
    lose_the_store(host)
    thief = write_json(tmp_path / "thief.json", {"owner": host.new_user(), "label": "web1", "uid": uid})
    result = host.subuid("import", thief, check=False)
    assert result.returncode == 4 and "was made for an owner with uid" in result.stderr, result.stderr
    host.subuid("import", file)
    assert facts(HOMES / owner / "web1/home") == before
    check_is_sound(host)


@pytest.mark.parametrize("keep", [False, True], ids=["grace", "kept"])
def test_data_that_was_set_aside_goes_back_there_when_the_import_does_not_end(host, tmp_path, keep):
    owner, _, _ = account_with_data(host, tmp_path)
    uid = labels(host, owner)["web1"]["uid"]
    file = export_of(host, tmp_path, owner)
    host.subuid("remove", "web1", *(["--keep-home"] if keep else []), user=owner)
    aside = HOMES / f".removed/{uid}"
    before = facts(aside)
    deaths = 0
    for syscall, when in [("fdatasync", 1), ("fdatasync", 2), ("renameat2", 1), ("fchown", 1), ("symlinkat", 1), ("fsync", 1),
                          ("sendto", 3)]:
        deaths += killed_at(host, syscall, when, "import", file)
        wait_until(lambda: all(account["state"] == "active" for account in labels(host, owner).values()), "settled")
        if labels(host, owner):
            host.subuid("remove", "web1", *(["--keep-home"] if keep else []), user=owner)
        assert facts(aside) == before, (syscall, when)
        assert purge_queue(host)[uid] == keep, (syscall, when)
        assert not Path(f"/home/{owner}/subuid/web1").is_symlink()
    assert deaths > 3, "it was hardly ever killed"
    host.subuid("import", file)
    assert (HOMES / owner / "web1/home/file").read_text() == "what was pushed"
    check_is_sound(host)


# -- an undo takes back what was made, and nothing else


def leftovers(owner):
    """What may have been there before: an empty directory for accounts, one for links, a link that leads nowhere yet."""
    entry = pwd.getpwnam(owner)
    (HOMES / owner).mkdir(0o711)
    (HOMES / owner).chmod(0o750)
    links = Path(f"/home/{owner}/subuid")
    links.mkdir(0o755)
    os.chown(links, entry.pw_uid, entry.pw_gid)
    (links / "web1").symlink_to(f"{HOMES}/{owner}/web1/view")
    os.lchown(links / "web1", entry.pw_uid, entry.pw_gid)
    return links / "web1"


@pytest.mark.parametrize("command", ["add", "import"])
@pytest.mark.parametrize("linked", [True, False], ids=["link", "empty-directory"])
def test_an_undo_leaves_what_it_did_not_make(host, tmp_path, command, linked):
    """The quota cannot be set: it fails when the home is there and the link has been looked at."""
    owner = host.new_user()
    link = leftovers(owner)
    if not linked:
        link.unlink()
    before = facts(HOMES / owner), facts(f"/home/{owner}")
    file = write_json(tmp_path / "a.json", {"owner": owner, "label": "web1", "quota": "1M"})
    words = ["add", "web1", "--owner", owner, "--quota", "1M"] if command == "add" else ["import", file]
    tracer = strace_daemon(host, "quotactl_fd", "error=EIO")
    result = host.subuid(*words, check=False)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(60)
    assert result.returncode == 1 and "its quota cannot be set" in result.stderr, result.stderr
    assert (facts(HOMES / owner), facts(f"/home/{owner}")) == before
    host.subuid("add", "web1", user=owner)
    check_is_sound(host)


ADD_POINTS = [("fdatasync", 1), ("fdatasync", 2), ("fdatasync", 3), ("mkdirat", 1), ("mkdirat", 3), ("fchownat", 1),
              ("renameat2", 1), ("symlinkat", 1), ("fsync", 1), ("fsync", 2), ("pwrite64", 4), ("sendto", 3)]


@pytest.mark.parametrize("linked", [True, False], ids=["link", "empty-directory"])
def test_a_crash_leaves_what_it_did_not_make(host, linked):
    owner = host.new_user()
    link = leftovers(owner)
    if not linked:
        link.unlink()
    before = facts(HOMES / owner), facts(f"/home/{owner}")
    deaths = 0
    for syscall, when in ADD_POINTS:
        deaths += killed_at(host, syscall, when, "add", "web1", "--owner", owner)
        wait_until(lambda: all(account["state"] == "active" for account in labels(host, owner).values()), "settled")
        if labels(host, owner):
            host.subuid("remove", "web1", "--purge", "--owner", owner, "--yes", check=False)
            host.subuid("remove", f"{owner}+web1", "--purge", check=False)
            wait_until(lambda: labels(host, owner) == {}, "removed")
            for path in (HOMES / owner, f"/home/{owner}/subuid"):
                shutil.rmtree(path, ignore_errors=True)
            link = leftovers(owner)
            if not linked:
                link.unlink()
            before = facts(HOMES / owner), facts(f"/home/{owner}")
            continue
        assert (facts(HOMES / owner), facts(f"/home/{owner}")) == before, (syscall, when)
    assert deaths > len(ADD_POINTS) // 2, "it was hardly ever killed"
    host.subuid("add", "web1", user=owner)
    check_is_sound(host)


@pytest.mark.parametrize("there", [False, True], ids=["made", "there"])
def test_adds_at_once_that_are_undone_leave_the_owners_directory_as_it_was(host, there):
    """Each of them but the first sees the directory that the first one made."""
    owner = host.new_user()
    if there:
        leftovers(owner)
    tracer = strace_daemon(host, "symlinkat", "delay_enter=60000000")
    adders = []
    for number in range(2, 5):
        adders.append(subprocess.Popen(["/usr/bin/subuid", "add", f"web{number}", "--owner", owner],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(lambda: (HOMES / owner / f"web{number}/home").is_dir(), f"the home of web{number}")
    host.daemon.kill()
    host.daemon.wait(60)
    host.daemon = None
    tracer.kill()
    tracer.wait(60)
    for adder in adders:
        assert adder.wait(60) != 0
    host.start_daemon()
    wait_until(lambda: not labels(host, owner), "all are undone")
    assert (HOMES / owner).exists() == there
    if not there:
        check_is_sound(host)


def test_an_owner_who_wrote_into_the_view_of_a_home_that_failed_loses_nothing(host):
    """What was written into a home that is undone is set aside, and never in the queue of what is deleted."""
    owner = host.new_user()
    tracer = strace_daemon(host, "symlinkat", "delay_enter=4000000:error=EIO:when=1")
    adder = subprocess.Popen(["/usr/bin/subuid", "add", "web1", "--owner", owner, "--view", "owner"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: mounted(owner), "the view is there")
        run("sh", "-c", f"echo precious > {HOMES}/{owner}/web1/view/file", user=owner)
        assert adder.wait(60) != 0
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
    aside = wait_until(lambda: [path for path in HOMES.glob(".removed/*/home/file") if path.read_text() == "precious\n"],
                       "it is set aside")
    wait_until(lambda: labels(host, owner) == {}, "undone")
    assert purge_queue(host)[int(aside[0].parent.parent.name)] == 1, "without end"
