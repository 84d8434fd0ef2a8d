# SPDX-License-Identifier: ISC
"""What `subuid check` sees of the disk, and what `--repair` makes of it: damage, named, repaired (or asked about), sound."""

import contextlib
import ctypes
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

import filesystems
from conftest import call, call_as, run, wait_until

HOMES = Path("/srv/subuid")
STATE = Path("/var/lib/subuidd")
REPAIRS = {"none", "index", "account", "leftover", "ask", "forget"}


def findings(host, *words, user=None):
    done = host.subuid("check", *words, "--json", user=user, check=False)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)["findings"]
    assert (done.returncode == 1) == bool(found)
    return found


def told(found, fault, subject=None):
    """The findings with these words."""
    return [f for f in found if fault in f["fault"] and (subject is None or subject in f["subject"])]


def one(host, fault, subject=None, repair=None, user=None, words=()):
    """There is one finding of this kind, it says what to do, and what mends it."""
    found = findings(host, *words, user=user)
    match = told(found, fault, subject)
    assert match, found
    assert match[0]["todo"]
    assert match[0]["repair"] in REPAIRS
    if repair is not None:
        assert match[0]["repair"] == repair, match
    return match[0]


def sound(host, user=None):
    assert findings(host, user=user) == []


def repaired(host, *words, user=None, status=0):
    done = host.subuid("check", "--repair", *words, user=user, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def uid_of(host, owner, label):
    return call("io.subuidd.Accounts.Get", {"label": label, "owner": owner})["parameters"]["account"]["uid"]


def audited(host, action):
    return [e for e in host.subuid_json("audit", "--all", "-n", "50") if e["action"] == action and e["result"] == "done"]


def key_of(account, key):
    """What sshd is told of this key."""
    words = Path(f"{key}.pub").read_text().split()[:2]
    return run("/usr/libexec/subuidd/authorized-keys", account, *words, user="subuidd-keys", check=False).stdout


def unmount_view(owner, label):
    subprocess.run(["umount", "-l", HOMES / owner / label / "view"], check=False)


@pytest.fixture(autouse=True)
def clean(host):
    """Each test ends on a sound host: what one leaves would be the next one's finding."""
    yield
    if host.daemon is None:
        host.start_daemon()
    left = findings(host)
    if left:
        host.subuid("check", "--repair", "--yes", check=False)
    assert left == []


def add(host, tmp_path, label="web1", owner=None):
    owner, name, key = host.account(tmp_path, "push", label, owner)
    return owner, name, key


# ---- control


def test_a_sound_host_has_no_finding(host, tmp_path):
    owner, name, _ = add(host, tmp_path)
    host.subuid("add", "web2", "--range", "65536", user=owner)
    host.subuid("lock", "web2", user=owner)
    host.subuid("add", "gone", user=owner)
    host.subuid("remove", "gone", user=owner)  # set aside: has its row
    host.subuid("add", "kept", user=owner)
    host.subuid("remove", "kept", "--keep-home", user=owner)
    sound(host)
    sound(host, user=owner)
    assert "sound" in repaired(host)
    assert "sound" in repaired(host, user=owner)
    assert "sound" in repaired(host, "--dry-run")


# ---- rows without what belongs to them


@pytest.mark.parametrize("what", ["home", "view", "directory", "link", "mode", "owner"])
def test_what_is_gone_of_an_account_is_named_and_made_again(host, tmp_path, what):
    owner, name, key = add(host, tmp_path)
    place, link = HOMES / owner / "web1", Path(pwd.getpwnam(owner).pw_dir) / "subuid" / "web1"
    uid = place.stat().st_gid
    unmount_view(owner, "web1")
    if what == "home":
        (place / "home").rmdir()
    elif what == "view":
        (place / "view").rmdir()
    elif what == "directory":
        shutil.rmtree(place)
    elif what == "owner":
        shutil.rmtree(HOMES / owner)
    elif what == "mode":
        place.chmod(0o755)
    else:
        link.unlink()
    finding = one(host, "", name, "account")
    assert (finding["owner"], finding["label"], finding["uid"]) == (owner, "web1", uid)
    assert "would be made again" in repaired(host, "--dry-run", status=1)
    one(host, "", name, "account")  # a dry run changes nothing
    told_of = repaired(host)
    assert "made again" in told_of and "sound" in told_of
    assert (place / "home").stat().st_uid == uid and stat.S_IMODE((place / "home").stat().st_mode) == 0o755
    assert os.readlink(link).startswith(str(place))
    host.rsync(key, "/etc/hostname", f"{name}@127.0.0.1:")
    assert "hostname" in os.listdir(link)
    assert any(name == entry["target"] for entry in audited(host, "account.mend"))


def test_an_owner_mends_his_own_accounts(host, tmp_path):
    owner, name, _ = add(host, tmp_path)
    other = host.new_user()
    unmount_view(owner, "web1")
    shutil.rmtree(HOMES / owner)
    (Path(f"/home/{owner}/subuid/web1")).unlink()
    one(host, "is missing", name, "account", user=owner)
    sound(host, user=other)
    answer = call_as(other, "io.subuidd.Accounts.Repair", {"repair": "account", "owner": owner, "label": "web1"})
    assert answer["error"] == "io.subuidd.Accounts.NotPermitted"
    assert "home" in repaired(host, user=owner)
    sound(host)


def test_only_root_mends_what_is_of_nobody_in_particular(host, tmp_path):
    owner, _, _ = add(host, tmp_path)
    for what in ({"repair": "index"}, {"repair": "leftover", "place": "owner", "owner": owner},
                 {"repair": "ask", "place": "removed", "uid": 2100000001},
                 {"repair": "forget", "place": "removed", "uid": 2100000001},
                 {"repair": "leftover", "place": "account", "owner": owner, "label": "web1", "uid": 2100000001}):
        assert call_as(owner, "io.subuidd.Accounts.Repair", what)["error"] == "io.subuidd.Accounts.NotPermitted"


def test_nothing_of_a_live_account_is_taken_for_a_leftover(host, tmp_path):
    """Whatever callers name, and however they came by it."""
    owner, name, key = add(host, tmp_path)
    uid = uid_of(host, owner, "web1")
    for repair in ("leftover", "ask"):
        for what in ({"place": "account", "owner": owner, "label": "web1", "uid": uid}, {"place": "making", "uid": uid},
                     {"place": "account", "owner": owner, "label": "other", "uid": uid},
                     {"place": "removed", "uid": uid}, {"place": "owner", "owner": owner}):
            if repair == "ask" and what["place"] == "owner":
                continue
            answer = call("io.subuidd.Accounts.Repair", {"repair": repair, **what})
            assert answer.get("error", "").split(".")[-1] in ("Conflict", "NotFound"), (repair, what, answer)
    assert call_as(owner, "io.subuidd.Accounts.Repair",
                   {"repair": "leftover", "place": "link", "label": "web1"})["error"].endswith("Conflict")
    host.rsync(key, "/etc/hostname", f"{name}@127.0.0.1:")


def test_add_of_an_account_whose_parts_are_gone_makes_them_again_and_says_so(host, tmp_path):
    owner, name, key = add(host, tmp_path)
    link = Path(f"/home/{owner}/subuid/web1")
    again = ["add", "web1", "--key", f"{key}.pub"]
    assert "Made again" not in host.subuid(*again, user=owner).stdout
    unmount_view(owner, "web1")
    shutil.rmtree(HOMES / owner)
    link.unlink()
    said = host.subuid(*again, user=owner).stdout
    assert "Made again: home, view, link" in said and "empty now" in said
    assert link.is_dir() and (HOMES / owner / "web1/home").is_dir()
    link.unlink()
    answer = host.subuid_json(*again, user=owner)
    assert answer["mended"] == ["link"] and answer["created"] is False
    assert "mended" not in host.subuid_json(*again, user=owner)
    link.unlink()
    link.write_text("mine")
    refused = host.subuid(*again, user=owner, check=False)
    assert refused.returncode == 4 and "something else stands" in refused.stderr
    assert link.read_text() == "mine"
    repaired(host, "--yes")


def test_data_that_lies_set_aside_is_put_back(host, tmp_path):
    """As after a saved state of before the removal was loaded."""
    owner, name, key = add(host, tmp_path)
    host.rsync(key, "/etc/hostname", f"{name}@127.0.0.1:")
    uid = uid_of(host, owner, "web1")
    unmount_view(owner, "web1")
    os.rename(HOMES / owner / "web1", HOMES / ".removed" / str(uid))
    finding = one(host, "is missing", name, "account")
    assert "puts it back" in finding["todo"]
    assert "data" in repaired(host)
    assert "hostname" in os.listdir(f"/home/{owner}/subuid/web1")


# ---- links


def test_a_link_that_leads_elsewhere(host, tmp_path):
    owner, name, _ = add(host, tmp_path)
    host.subuid("add", "web2", user=owner)
    link = Path(f"/home/{owner}/subuid/web1")
    right = os.readlink(link)
    link.unlink()
    link.symlink_to(f"{HOMES}/{owner}/web9/view")  # ours, and dangling: nothing is lost with it
    one(host, "leads elsewhere, and there is nothing", name, "account")
    repaired(host)
    assert os.readlink(link) == right
    link.unlink()
    link.symlink_to("/mnt/of-theirs")  # the owner's own doing, and not there at the moment: asked about
    assert not os.path.exists(link)
    one(host, "leads elsewhere", name, "ask")
    assert "left as it is" in repaired(host, status=1)
    link.unlink()
    link.symlink_to("/etc")
    one(host, "leads elsewhere", name, "ask")
    left = repaired(host, status=1)
    assert "left as it is" in left and os.readlink(link) == "/etc"
    repaired(host, "--yes", user=owner)
    assert os.readlink(link) == right and os.readlink(f"{link}.aside-1") == "/etc"


def test_a_file_in_the_place_of_a_link_is_renamed_when_somebody_says_so(host, tmp_path):
    owner, name, _ = add(host, tmp_path)
    link = Path(f"/home/{owner}/subuid/web1")
    link.unlink()
    link.mkdir()
    (link / "precious").write_text("data")
    os.chown(link, pwd.getpwnam(owner).pw_uid, -1)
    one(host, "something else stands", name, "ask")
    assert "left as it is" in repaired(host, status=1)
    assert (link / "precious").exists()
    repaired(host, "--yes")
    assert (Path(f"{link}.aside-1") / "precious").read_text() == "data" and link.is_symlink()


def test_a_home_that_only_a_group_leads_to_is_looked_at_with_it(host, tmp_path):
    """Most owners are looked at with their first group alone. What is found so is not told before a look with all."""
    owner, name, _ = add(host, tmp_path)
    home, beyond = Path(f"/home/{owner}"), Path(f"/home/staff-{owner}")
    run("groupadd", f"staff-{owner}")
    run("usermod", "-aG", f"staff-{owner}", owner)
    beyond.mkdir(mode=0o750)
    shutil.chown(beyond, "root", f"staff-{owner}")
    home.rename(beyond / owner)
    run("usermod", "-d", str(beyond / owner), owner)
    sound(host)
    sound(host, user=owner)
    link = beyond / owner / "subuid/web1"
    right = os.readlink(link)
    link.unlink()
    one(host, "link in the owner's home is gone", name, "account")
    link.symlink_to(right.replace("web1", "gone1"))
    one(host, "leads elsewhere, and there is nothing", name, "account")
    (beyond / owner / "subuid/gone1").symlink_to(right.replace("web1", "gone1"))
    assert told(findings(host), "a link to an account that does not exist", "gone1")
    run("usermod", "-G", "", owner)
    one(host, "link in the owner's home cannot be read", name, "none")
    run("usermod", "-G", f"staff-{owner}", owner)
    repaired(host, user=owner)


def test_a_link_that_stays_behind_a_removal_is_said(host, tmp_path):
    """The owner has made its directory theirs alone to read: no child of theirs can take the link out."""
    owner, name, _ = add(host, tmp_path)
    directory = Path(f"/home/{owner}/subuid")
    directory.chmod(0o500)
    said = host.subuid("remove", "web1", "--purge", user=owner).stdout
    assert "its files are deleted\nthe link stays: " in said, said
    assert os.path.islink(directory / "web1")
    directory.chmod(0o755)
    repaired(host, user=owner)
    assert not os.path.lexists(directory / "web1")


def test_a_link_of_a_removed_account(host, tmp_path):
    owner, name, _ = add(host, tmp_path)
    host.subuid("add", "web2", user=owner)
    link, home = Path(f"/home/{owner}/subuid/web1"), Path(f"/home/{owner}/subuid")
    text = os.readlink(link)
    host.subuid("remove", "web1", user=owner)
    for others in (True, False):  # of an owner who has an account, and of one who has none any more
        if not others:
            host.subuid("remove", "web2", user=owner)
            run("mkdir", "-p", home, user=owner)
        run("ln", "-s", text, link, user=owner)
        run("ln", "-sfn", "/etc", f"{home}/own", user=owner)  # his own: nobody's business
        assert one(host, "a link to an account that does not exist", str(link), "leftover")["place"] == "link"
        one(host, "a link to an account that does not exist", str(link), "leftover", user=owner)
        assert "would be removed" in repaired(host, "--dry-run", status=1)
        assert link.is_symlink()
        repaired(host, **({} if others else {"user": owner}))
        assert not link.is_symlink() and os.readlink(f"{home}/own") == "/etc"


class HungHome:
    """A FUSE file system that never answers: a process that looks at it waits until it is killed."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        os.makedirs(self.path, exist_ok=True)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        run_mount = ctypes.CDLL(None, use_errno=True).mount
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if run_mount(b"hung", self.path.encode(), b"fuse", 0, options) != 0:
            raise OSError(ctypes.get_errno(), "mount of FUSE")
        return self

    def __exit__(self, *_):
        os.close(self.fd)  # whoever still waits is told that it is not connected
        run("umount", "-l", self.path)


def test_a_home_that_hangs_holds_up_nobody(host, tmp_path):
    """The owner's home never answers: it is named, the others are looked at."""
    slow, _, _ = add(host, tmp_path)
    quick, name, _ = add(host, tmp_path)
    Path(f"/home/{quick}/subuid/web1").unlink()
    home = pwd.getpwnam(slow).pw_dir
    run("usermod", "-d", "/run/hung", slow)
    try:
        with HungHome("/run/hung"):
            found = findings(host)  # or it does not come to its end
            assert told(found, "does not answer", slow)
            assert told(found, "is gone", name)
    finally:
        run("usermod", "-d", home, slow)
    repaired(host)


# ---- things without a row


def leftover_home(host, owner, label, uid, data):
    """An account directory just as the daemon makes it."""
    place = HOMES / owner / label
    (HOMES / owner).mkdir(mode=0o711, exist_ok=True)
    place.mkdir(mode=0o710)
    (place / "home").mkdir(mode=0o700)
    (place / "view").mkdir(mode=0o000)
    os.chown(place / "home", uid, uid)
    os.chown(place, 0, uid)
    run("setfacl", "-m", f"u:{pwd.getpwnam(owner).pw_uid}:--x", place)
    place.chmod(0o710)
    if data:
        (place / "home" / "precious").write_text("data")
        os.chown(place / "home" / "precious", uid, uid)
    return place


def test_a_home_without_a_row_is_taken_up_by_the_command_that_check_says(host):
    """As it is printed, by a shell."""
    owner = host.new_user()
    uid = removed_uid(host, owner)
    place = leftover_home(host, owner, "old", uid, True)
    line, = (line for line in host.subuid("check", check=False).stdout.splitlines() if line.startswith(f"{place}: "))
    command = line.split("take it up: ")[1].split("; or subuid check")[0]
    run("sh", "-c", command)
    assert uid_of(host, owner, "old") == uid
    assert Path(f"/home/{owner}/subuid/old/precious").read_text() == "data"
    sound(host)


def removed_uid(host, owner, label="old"):
    """An id that was given out and is nobody's: a tombstone."""
    host.subuid("add", label, "--owner", owner)
    uid = uid_of(host, owner, label)
    host.subuid("remove", f"{owner}+{label}", "--purge")
    wait_until(lambda: not (HOMES / ".removed" / str(uid)).exists(), "purged")
    return uid


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize("others", [False, True])
def test_a_home_without_a_row(host, tmp_path, data, others):
    owner = host.new_user()
    if others:
        add(host, tmp_path, owner=owner)
    uid = removed_uid(host, owner)
    place = leftover_home(host, owner, "old", uid, data)
    finding = one(host, f"uid {uid} is no account", str(place), "ask" if data else "leftover")
    if not data:
        repaired(host)
        assert not place.exists() and (HOMES / owner).exists() == others
        return
    assert "subuid import" in finding["todo"] and f"{owner},old,{uid}" in finding["todo"]
    assert "left as it is" in repaired(host, status=1)
    assert (place / "home/precious").read_text() == "data"
    assert "would be set aside" in repaired(host, "--dry-run", status=1)
    assert (place / "home/precious").exists()
    repaired(host, "--yes")
    assert (HOMES / ".removed" / str(uid) / "home/precious").read_text() == "data"
    assert not place.exists()
    assert any(str(uid) in entry["detail"] for entry in audited(host, "repair"))
    # recorded: it is known after a restart, its id is not released, and it is kept
    host.restart_daemon()
    assert host.subuid("release", str(uid), check=False).returncode != 0
    assert (HOMES / ".removed" / str(uid) / "home/precious").exists()


def released(host, first):
    """What release says of what is in its way; None: it is done."""
    result = host.subuid("release", str(first), check=False)
    return None if result.returncode == 0 else result.stderr


@pytest.mark.parametrize("where", ["its own place", "another's place", "set aside", "half made"])
def test_ids_are_not_released_while_a_home_of_theirs_lies_on_the_disk(host, tmp_path, where):
    """Somebody has brought it back from a backup: the store knows nothing of it."""
    owner, other = host.new_user(), host.new_user()
    uid = removed_uid(host, owner)
    of = other if where == "another's place" else owner
    place = leftover_home(host, of, "found" if of == other else "old", uid, True)
    if where in ("set aside", "half made"):
        moved = HOMES / (".removed" if where == "set aside" else ".making") / str(uid)
        os.rename(place, moved)
        place = moved
    said = released(host, uid)
    assert said is not None and str(place) in said and "move it away" in said
    assert (place / "home/precious").read_text() == "data"
    host.restart_daemon()  # which a home of an unknown id would not let it
    run("rm", "-r", place)
    (HOMES / of).rmdir()
    assert released(host, uid) is None
    host.restart_daemon()
    assert "no removed ids" in released(host, uid)


def test_ranges_are_not_released_while_the_home_of_their_account_lies_on_the_disk(host, tmp_path):
    owner = host.new_user()
    host.subuid("add", "old", "--owner", owner, "--range", "1")
    uid = uid_of(host, owner, "old")
    first = host.subuid_json("range", "list", user=owner)[0]["first"]
    given_back = host.subuid_json("range", "add", "1", "old", user=owner)["first"]
    host.subuid("range", "remove", str(given_back), user=owner)
    assert released(host, given_back) is None  # the account is there, and so is its home
    host.subuid("remove", f"{owner}+old", "--purge")
    wait_until(lambda: not (HOMES / ".removed" / str(uid)).exists(), "purged")
    place = leftover_home(host, owner, "old", uid, True)
    wait_until(lambda: "set aside" not in (released(host, first) or ""), "the row has gone, too")
    assert str(place) in (released(host, first) or "")
    run("rm", "-r", place)
    (HOMES / owner).rmdir()
    assert released(host, first) is None


def test_a_home_whose_id_nobody_was_ever_given(host, tmp_path):
    owner = host.new_user()
    uid = 2100077777
    place = leftover_home(host, owner, "strange", uid, True)
    one(host, "is no account", str(place), "ask")
    repaired(host, "--yes")
    assert (HOMES / ".removed" / str(uid) / "home/precious").exists()
    host.restart_daemon()  # the store knows the id now: it starts


@pytest.mark.parametrize("data", [False, True])
def test_set_aside_data_without_a_row(host, tmp_path, data):
    owner = host.new_user()
    uid = removed_uid(host, owner)
    place = leftover_home(host, owner, "old", uid, data)
    os.rename(place, HOMES / ".removed" / str(uid))
    (HOMES / owner).rmdir()
    one(host, "whose data is set aside", str(uid), "ask" if data else "leftover")
    if data:
        assert "left as it is" in repaired(host, status=1)
    repaired(host, "--yes")
    assert (HOMES / ".removed" / str(uid)).exists() == data


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("part", ["", "home"])
def test_set_aside_data_that_is_gone(host, tmp_path, keep, part):
    owner, name, key = add(host, tmp_path)
    host.rsync(key, "/etc/hostname", f"{name}@127.0.0.1:")
    uid = uid_of(host, owner, "web1")
    aside = HOMES / ".removed" / str(uid)
    host.subuid("remove", name, *(["--keep-home"] if keep else []))
    assert host.subuid("check", "--all").returncode == 0
    shutil.rmtree(aside / part)
    finding = one(host, "and is gone", name, "forget")
    assert str(aside) in finding["fault"] and "backup" in finding["todo"] and finding["uid"] == uid
    assert "left as it is" in repaired(host, status=1)
    assert "would be forgotten" in repaired(host, "--dry-run", status=1)
    one(host, "and is gone", name, "forget")
    assert "forgotten" in repaired(host, "--yes")
    assert not aside.exists() and host.subuid("check", "--all").returncode == 0
    assert any("forgotten" in entry["detail"] for entry in audited(host, "repair"))
    host.subuid("release", str(uid))  # nothing of it is there any more


def test_an_account_that_was_removed_without_a_home_has_nothing_set_aside(host, tmp_path):
    owner, name, _ = add(host, tmp_path)
    unmount_view(owner, "web1")
    shutil.rmtree(HOMES / owner / "web1")
    host.subuid("remove", name)
    assert host.subuid("check", "--all").returncode == 0


def test_set_aside_data_that_is_there_is_not_forgotten(host, tmp_path):
    owner, name, _ = add(host, tmp_path)
    uid = uid_of(host, owner, "web1")
    host.subuid("remove", name)
    for place, error in (("removed", "Conflict"), ("making", "Invalid"), ("link", "Invalid")):
        reply = call("io.subuidd.Accounts.Repair", {"repair": "forget", "place": place, "owner": owner, "label": "web1", "uid": uid})
        assert reply["error"].endswith(error), (place, reply)
    assert (HOMES / ".removed" / str(uid)).exists()


@pytest.mark.parametrize("data", [False, True])
def test_the_beginning_of_an_account(host, tmp_path, data):
    owner = host.new_user()
    uid = removed_uid(host, owner)
    place = leftover_home(host, owner, "old", uid, data)
    os.rename(place, HOMES / ".making" / str(uid))
    (HOMES / owner).rmdir()
    one(host, "the beginning of an account", str(uid), "ask" if data else "leftover")
    if data:
        assert "left as it is" in repaired(host, status=1)
    repaired(host, "--yes")
    assert not (HOMES / ".making" / str(uid)).exists()
    assert (HOMES / ".removed" / str(uid)).exists() == data


def test_a_view_without_a_row(host, tmp_path):
    owner = host.new_user()
    uid = removed_uid(host, owner)
    place = leftover_home(host, owner, "old", uid, False)
    (place / "home").rmdir()
    run("mount", "-t", "tmpfs", "none", place / "view")
    one(host, "is no account", str(place), "leftover")
    repaired(host)
    assert not place.exists() and str(place) not in Path("/proc/mounts").read_text()


def test_an_empty_owner_directory(host, tmp_path):
    (HOMES / "nobodyhere").mkdir(mode=0o711)
    assert one(host, "it is empty", "/nobodyhere", "leftover")["place"] == "owner"
    repaired(host)
    assert not (HOMES / "nobodyhere").exists()


def test_what_is_none_of_ours_is_named_and_left(host, tmp_path):
    owner, _, _ = add(host, tmp_path)
    strange = [HOMES / "notes.txt", HOMES / owner / "core"]
    for path in strange:
        path.write_text("x")
    for path in strange:
        one(host, "nothing that subuidd makes", str(path), "none")
    repaired(host, "--yes", status=1)
    for path in strange:
        assert path.read_text() == "x"
        path.unlink()


def test_a_directory_of_an_account_in_the_wrong_place(host, tmp_path):
    owner, name, key = add(host, tmp_path)
    host.rsync(key, "/etc/hostname", f"{name}@127.0.0.1:")
    unmount_view(owner, "web1")
    os.rename(HOMES / owner / "web1", HOMES / owner / "renamed")
    assert "mv it to its place" in one(host, "whose directory is", "/renamed", "none")["todo"]
    os.rename(HOMES / owner / "renamed", HOMES / owner / "web1")
    repaired(host)
    assert "hostname" in os.listdir(f"/home/{owner}/subuid/web1")


def test_a_purge_that_does_not_come_to_an_end(host, tmp_path):
    owner, name, key = add(host, tmp_path)
    uid = uid_of(host, owner, "web1")
    host.rsync(key, "/etc/hostname", f"{name}@127.0.0.1:")
    place = HOMES / ".removed" / str(uid)
    stuck = HOMES / owner / "web1" / "home" / "hostname"
    run("chattr", "+i", stuck)  # whoever deletes as the account cannot
    try:
        host.subuid("remove", name, "--purge", check=False)
        stuck = place / "home" / "hostname"
        host.restart_daemon_ahead(tmp_path, 3 * 86400)
        finding = one(host, str(place), name)
        assert "should be deleted" in finding["fault"] and finding["uid"] == uid
        assert stuck.exists()
    finally:
        run("chattr", "-i", stuck)
        host.restart_daemon()
    wait_until(lambda: not place.exists(), "purged")


# ---- index and keys


def damage_gone(path):
    path.unlink()


def damage_directory(path):
    path.unlink()
    path.mkdir()


def damage_full_directory(path):
    damage_directory(path)
    (path / "content").write_text("precious")


def damage_link(path):
    path.unlink()
    path.symlink_to("/etc/passwd")


def damage_cut(path):
    path.unlink()
    path.write_bytes(b"\0" * 8192)


def damage_mode(path):
    path.chmod(0o666)


def damage_group(path):
    os.chown(path, 0, 12345)


def damage_owner(path):
    os.chown(path, 12345, -1)


@pytest.mark.parametrize("name", ["index", "keys"])
@pytest.mark.parametrize("damage", [damage_gone, damage_directory, damage_full_directory, damage_link, damage_cut,
                                    damage_mode, damage_group, damage_owner])
def test_index_and_keys(host, tmp_path, name, damage):
    owner, account, key = add(host, tmp_path)
    path = STATE / name
    damage(path)
    found = findings(host)
    mine = [f for f in found if name in f["subject"]]
    assert mine and all(f["repair"] == "index" and f["todo"] for f in mine), found
    if damage in (damage_directory, damage_full_directory):
        assert any("rmdir" in f["todo"] for f in mine)  # a restart alone would not do
    assert "would be built anew" in repaired(host, "--dry-run", status=1)
    assert findings(host)
    assert "built anew: index and keys" in repaired(host)
    info = path.lstat()
    assert stat.S_ISREG(info.st_mode) and info.st_uid == 0
    assert stat.S_IMODE(info.st_mode) == (0o644 if name == "index" else 0o640)
    kept = list(STATE.glob(f"{name}.bad-*"))
    if damage is damage_full_directory:
        assert (kept[0] / "content").read_text() == "precious"
    for path in kept:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    assert run("getent", "passwd", account).stdout
    host.rsync(key, "/etc/hostname", f"{account}@127.0.0.1:")
    assert audited(host, "repair")


@pytest.mark.parametrize("name", ["index", "keys"])
@pytest.mark.parametrize("damage", [damage_gone, damage_cut])
def test_an_index_that_is_gone_is_made_anew_by_the_next_change(host, tmp_path, name, damage):
    """Nobody has to call for a repair, and the change itself is in it."""
    owner, account, key = add(host, tmp_path)
    host.subuid("add", "web2", user=owner)
    damage(STATE / name)
    answers = {"index": lambda: run("getent", "passwd", account, check=False).stdout, "keys": lambda: key_of(account, key)}
    assert not answers[name](), "the control: nobody new finds anything"
    host.subuid("lock", "web2", user=owner)
    assert run("getent", "passwd", account).stdout
    host.rsync(key, "/etc/hostname", f"{account}@127.0.0.1:")
    assert "web2" in run("getent", "passwd", f"{owner}+web2").stdout
    sound(host)


@pytest.mark.parametrize("name", ["index", "keys"])
def test_a_directory_in_the_place_of_the_index_does_not_keep_the_daemon_from_starting(host, tmp_path, name):
    add(host, tmp_path)
    host.stop_daemon()
    damage_full_directory(STATE / name)
    host.start_daemon()
    sound(host)
    shutil.rmtree(next(STATE.glob(f"{name}.bad-*")))


def poke(path, find, put):
    data = path.read_bytes()
    at = data.index(find)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(put)


def test_a_key_that_is_damaged_in_the_keys_file(host, tmp_path):
    owner, account, key = add(host, tmp_path)
    blob = Path(f"{key}.pub").read_text().split()[1].encode()
    poke(STATE / "keys", blob, b"BBBB")
    found = findings(host)
    assert any("keys" in f["subject"] or "keys file" in f["fault"] for f in found)
    assert any("keys file" in f["fault"] for f in findings(host, user=owner))
    repaired(host)
    host.rsync(key, "/etc/hostname", f"{account}@127.0.0.1:")


def test_keys_of_before_are_found_both_ways(host, tmp_path):
    """A keys file of another moment, as a copy that somebody put back: a key is missing, and a removed one admits logins."""
    owner, account, key = add(host, tmp_path)
    before = (STATE / "keys").read_bytes()
    first = host.subuid_json("key", "list", "web1", user=owner)[0]
    other = host.new_key(tmp_path, "other")
    host.subuid("key", "add", "web1", f"{other}.pub", user=owner)
    host.subuid("key", "remove", "web1", str(first["id"]), user=owner)
    host.stop_daemon()
    now = (STATE / "keys").read_bytes()
    host.start_daemon()
    with open(STATE / "keys", "r+b") as keys:  # in its place: another file of that name is made anew by the daemon itself
        keys.write(before)
    assert before != now
    # the control: the removed key is one that sshd would be told of
    assert host.ssh(key, account, "rsync", "--version").returncode is not None
    one(host, "is not in the keys file", account, "index")
    one(host, "logins with it are admitted", f"key {first['id']}", "index")
    one(host, "is not in the keys file", account, "index", user=owner)
    repaired(host)
    host.rsync(other, "/etc/hostname", f"{account}@127.0.0.1:")
    assert host.rsync(key, "/etc/hostname", f"{account}@127.0.0.1:", check=False).returncode != 0


# ---- owners, modes, disks


@pytest.mark.parametrize("path, mode, right", [
    (STATE / "state.db", 0o644, 0o600), (STATE, 0o777, 0o755), (HOMES, 0o755, 0o711), (STATE / "spool", 0o777, 0o1730),
    (Path("/etc/subuidd.conf.d/90-check.conf"), 0o666, 0o644),
])
def test_modes_are_named_before_the_daemon_refuses(host, tmp_path, path, mode, right):
    made = path.name == "90-check.conf"
    if made:
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_text("# nothing\n")
    path.chmod(mode)
    try:
        finding = one(host, "mode", str(path))
        assert "chmod" in finding["todo"] and str(path) in finding["todo"]
        report = host.subuid("doctor", check=False).stdout
        assert re.search(rf"{path}: .*mode.*chmod", report), report
        run("sh", "-c", re.search(r"chmod \S+ \S+", finding["todo"]).group())
        assert stat.S_IMODE(path.stat().st_mode) == right or made
    finally:
        path.chmod(right)
        if made:
            path.unlink()


def test_a_wrong_owner_is_named_with_the_command(host, tmp_path):
    path = STATE / "state.db"
    os.chown(path, 12345, 12345)
    try:
        finding = one(host, "belongs to uid 12345", str(path))
        assert finding["todo"] == f"chown root:root {path}"
    finally:
        os.chown(path, 0, 0)


def loop_disk(tmp_path, size="64M", options=()):
    image = Path("/run/disk.img")
    run("truncate", "-s", size, image)
    run("mkfs.ext4", "-q", "-F", *options, image)
    return image


@pytest.fixture
def small_homes(host, tmp_path):
    """The homes on a file system of their own, small enough to be filled."""
    image = loop_disk(tmp_path, options=("-N", "1200"))
    host.stop_daemon()
    run("mount", "-o", "loop", image, HOMES)
    (HOMES / "lost+found").rmdir()
    HOMES.chmod(0o711)
    store = STATE.with_name("subuidd.aside")
    os.rename(STATE, store)
    with filesystems.nothing_known():
        host.start_daemon()
        yield HOMES
    if host.daemon is not None:
        host.stop_daemon()
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        where = line.split()[1]
        if where.startswith(f"{HOMES}/"):
            run("umount", "-l", where, check=False)
    run("umount", "-l", HOMES)
    shutil.rmtree(STATE)
    os.rename(store, STATE)
    host.start_daemon()
    image.unlink()


def test_a_full_disk_is_named_with_its_threshold(host, tmp_path, small_homes):
    ballast = small_homes / "ballast"
    free = os.statvfs(small_homes)
    run("fallocate", "-l", str(free.f_bavail * free.f_frsize - (8 << 20)), ballast)
    finding = one(host, "is full", str(HOMES))
    assert "MiB are free" in finding["fault"] and "less than" in finding["fault"] and "make room" in finding["todo"]
    report = host.subuid("doctor", check=False).stdout
    assert re.search(rf"{HOMES}: the file system .*is full", report), report
    ballast.unlink()
    sound(host)


def test_a_disk_without_inodes_is_named(host, tmp_path, small_homes):
    many = small_homes / "many"
    many.mkdir()
    try:
        for i in range(os.statvfs(small_homes).f_favail - 100):
            (many / str(i)).touch()
        assert "inodes are free" in one(host, "inodes", str(HOMES))["fault"]
        assert re.search(rf"{HOMES}: .*inodes", host.subuid("doctor", check=False).stdout)
    finally:
        shutil.rmtree(many)


def test_a_read_only_disk_is_not_a_damaged_store(host, tmp_path, small_homes):
    add(host, tmp_path)
    run("mount", "-o", "remount,abort", small_homes)  # as ext4 does it itself after an error
    found = findings(host)
    assert "dmesg" in told(found, "read-only", str(HOMES))[0]["todo"]
    assert not told(found, "damaged") and not [f for f in found if f["subject"] == "store"]
    assert re.search(rf"{HOMES}: .*read-only.*dmesg", host.subuid("doctor", check=False).stdout)


def test_a_state_that_became_read_only_is_not_a_damaged_store(host, tmp_path):
    """Read-only for whoever comes by the path; the daemon goes on with what it has open."""
    add(host, tmp_path)
    run("mount", "--bind", STATE, STATE)
    run("mount", "-o", "remount,bind,ro", STATE)
    try:
        found = findings(host)
        assert "remount,rw" in told(found, "read-only", str(STATE))[0]["todo"]
        assert not told(found, "damaged") and not [f for f in found if f["subject"] == "store"]
        assert re.search(rf"{STATE}: .*read-only.*remount,rw", host.subuid("doctor", check=False).stdout)
    finally:
        run("umount", STATE)


@pytest.mark.parametrize("error, words", [("EIO", "dmesg"), ("EROFS", "remount,rw")])
@pytest.mark.parametrize("where", ["state.db", "index", "homes"])
def test_a_disk_that_fails_is_not_called_a_damaged_store(host, tmp_path, where, error, words):
    add(host, tmp_path)
    trace = {"state.db": ["-P", str(STATE / "state.db"), "-e", f"inject=pread64,openat:error={error}"],
             "index": ["-P", str(STATE / "index"), "-e", f"inject=read:error={error}"],
             "homes": ["-P", str(HOMES), "-e", f"inject=getdents64:error={error}"]}[where]
    strace = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", *trace, "-p", str(host.daemon.pid)],
                              stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "traced")
        found = findings(host)
    finally:
        strace.terminate()
        strace.wait()
    subject = {"state.db": "store", "index": str(STATE / "index"), "homes": str(HOMES)}[where]
    mine = [f for f in found if f["subject"] == subject]
    assert mine, found
    assert words in mine[0]["todo"] and mine[0]["repair"] == "none"
    for finding in found:
        assert "backup" not in finding["todo"] and "load" not in finding["todo"] and "damaged" not in finding["fault"], finding


# ---- the program that mends the state without the daemon


def test_without_the_daemon_the_state_program_is_run(host, tmp_path):
    program = Path("/usr/libexec/subuidd/state")
    aside = program.with_suffix(".aside")
    present = program.exists()
    host.stop_daemon()
    try:
        if present:
            program.rename(aside)
        missing = host.subuid("check", "--repair", check=False)
        assert missing.returncode == 7 and str(program) in missing.stderr and "not installed" in missing.stderr
        program.write_text('#!/bin/sh\necho "ran: $*"\nexit 3\n')
        program.chmod(0o755)
        ran = host.subuid("check", "--repair", "--dry-run", "--yes", check=False)
        assert ran.returncode == 3 and "ran: repair --dry-run --yes" in ran.stdout
        owner = host.new_user()
        assert host.subuid("check", "--repair", user=owner, check=False).returncode == 7
    finally:
        program.unlink(missing_ok=True)
        if present:
            aside.rename(program)
        host.start_daemon()


def test_doctor_says_why_the_daemon_refused_to_start(host, tmp_path):
    owner = host.new_user()
    host.stop_daemon()
    stopped = host.subuid("list", check=False)
    assert stopped.returncode == 7 and "is subuidd running" in stopped.stderr, "the control: it was stopped"
    (STATE / "state.db").chmod(0o644)
    try:
        refused = run("/usr/sbin/subuidd", check=False)
        assert refused.returncode != 0
        report = host.subuid("doctor", check=False)
        assert report.returncode == 1
        assert re.search(r"daemon: .*refused to start.*state\.db", report.stdout), report.stdout
        assert re.search(rf"{STATE}/state\.db: has mode 0644.*chmod 0600 {STATE}/state\.db", report.stdout)
        for user in (None, owner):  # and nobody is told to start it once more
            told = host.subuid("list", user=user, check=False)
            assert told.returncode == 7 and "subuidd refused to start" in told.stderr and "subuid doctor" in told.stderr, told
            assert "is subuidd running" not in told.stderr
    finally:
        (STATE / "state.db").chmod(0o600)
        host.start_daemon()
    assert "refused" not in host.subuid("doctor", check=False).stdout


def test_doctor_has_one_advice_for_a_lost_store(host, tmp_path):
    """What the daemon has said of the store, and not beside it that it makes a new one."""
    add(host, tmp_path)
    host.stop_daemon()
    aside = tmp_path / "aside"
    run("cp", "-a", STATE, aside)
    try:
        shutil.rmtree(STATE)
        assert run("/usr/sbin/subuidd", check=False).returncode == 65
        bad = [line for line in host.subuid("doctor", check=False).stdout.splitlines() if line.startswith("\u2717")]
        said, = (line for line in bad if "daemon: refused to start" in line)
        assert "accept what is there (subuid check --repair)" in said
        others = [line for line in bad if line != said]
        assert {f"{STATE}/{name}" for name in ("state.db", "index", "keys")} <= {line.split()[1].rstrip(":") for line in others}
        assert all("see why the daemon refused to start" in line for line in others), others
    finally:
        shutil.rmtree(STATE)
        run("cp", "-a", aside, STATE)
        host.start_daemon()


# ---- races


SWAPS = r"""
import os, sys
home, target = sys.argv[1:]
links, aside = f"{home}/subuid", f"{home}/aside"
while True:
    try:
        os.rename(links, aside)
        os.symlink(target, links)
        os.unlink(links)
        os.rename(aside, links)
        os.unlink(f"{links}/web1")
    except OSError:
        if os.path.islink(links):
            os.unlink(links)
        if os.path.isdir(aside) and not os.path.lexists(links):
            os.rename(aside, links)
        elif os.path.isdir(aside):
            os.rename(aside, f"{aside}-{os.urandom(4).hex()}")
"""


def test_an_owner_who_swaps_their_directory_makes_a_repair_change_nothing_elsewhere(host, tmp_path):
    """While root repairs, the directory of links is now a directory, now a link to one of root's."""
    owner, name, _ = add(host, tmp_path)
    target = Path("/run/roots")
    target.mkdir(mode=0o755)
    (target / "web1").symlink_to(f"{HOMES}/{owner}/web1/view")
    before = os.lstat(target / "web1").st_ino
    swaps = subprocess.Popen(["/usr/bin/python3", "-c", SWAPS, f"/home/{owner}", target], user=owner, cwd="/")
    try:
        def naive():  # the control: root, by path
            with contextlib.suppress(OSError):
                Path(f"/home/{owner}/subuid/control").write_text("")
            return (target / "control").exists()

        wait_until(naive, "a write of root's by path lands there")
        (target / "control").unlink()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            host.subuid("check", "--repair", "--yes", "--all", check=False)
            host.subuid("add", "web1", "--owner", owner, check=False)
        assert swaps.poll() is None
    finally:
        swaps.kill()
        swaps.wait()
    assert os.listdir(target) == ["web1"] and os.lstat(target / "web1").st_ino == before
    shutil.rmtree(target)
    home = Path(f"/home/{owner}")
    for left in (*home.glob("aside*"), home / "subuid"):
        left.unlink() if left.is_symlink() else shutil.rmtree(left, ignore_errors=True)
    repaired(host, "--yes")


# ---- many


def test_many_leftovers_are_all_found_and_removed(host, tmp_path):
    """More than fit one answer, in several walks."""
    for i in range(150):
        (HOMES / f"empty{i}").mkdir(mode=0o711)
    assert len(told(findings(host), "it is empty")) == 150
    repaired(host)
    assert not list(HOMES.glob("empty*"))


def test_words_on_the_command_line(host):
    assert host.subuid("check", "--dry-run", check=False).returncode == 2
    assert host.subuid("check", "--yes", check=False).returncode == 2
    assert host.subuid("check", "--repair", "surplus", check=False).returncode == 2
    answer = call("io.subuidd.Accounts.Repair", {"repair": "everything"})
    assert answer["error"].endswith("Invalid")
    for bad in ({"repair": "leftover"}, {"repair": "ask", "place": "owner", "owner": "x"},
                {"repair": "leftover", "place": "making", "uid": 0}, {"repair": "leftover", "place": "removed"},
                {"repair": "leftover", "place": "account", "label": "x", "uid": 2100000001}):
        assert call("io.subuidd.Accounts.Repair", bad)["error"].endswith("Invalid"), bad
