# SPDX-License-Identifier: ISC
"""What a server sent is what its restore gives; what a broken-into server forged harms nobody who looks at it.

A whole Debian that is pushed, pulled, compared and booted: tests/restore (make check-restore)."""

import os
import pwd
import re
import shlex
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
    options = documented(r"newhost# rsync (-rtH[^\n]*?) -e 'ssh -i ~/.ssh/restore'")
    host.rsync(pull, *options, f"{name}@127.0.0.1:tree/", f"{tmp_path}/looked/")
    assert special(tmp_path / "looked") == []
    assert Path(f"{tmp_path}/looked/plain").read_text() == "plain\n"
    everything = [path.lstat() for path in Path(tmp_path / "looked").rglob("*")]
    assert {st.st_uid for st in everything} == {65534} and not [st for st in everything if stat.S_ISLNK(st.st_mode)]
    # The control: a full restore honours what is said, as it must for the server's own root.
    host.rsync(pull, "-aHAX", "--numeric-ids", f"{name}@127.0.0.1:tree/", f"{tmp_path}/full/")
    assert special(tmp_path / "full") == ["disk", "fifo", "memory", "suid"]


@pytest.mark.parametrize("seen_as", ["theirs", "owner"])
def test_the_owner_s_view_of_what_could_hurt_him(host, tmp_path, seen_as):
    """The account's own uid (and, worse than it can, root) puts real ones there: past rsync, the gate and --fake-super."""
    owner, name, _ = host.account(tmp_path)
    host.subuid("set", "web1", "--view", seen_as, user=owner)
    uid = pwd.getpwnam(name).pw_uid
    mine = Path(f"/home/{owner}/mine")
    mine.write_text("mine\n")
    run("chown", f"{owner}:", mine)
    home, view = Path(f"/srv/subuid/{owner}/web1/home"), Path(f"/home/{owner}/subuid/web1")
    links = {"absolute": "/etc/passwd", "upwards": "../" * 12 + "etc/passwd", "directory": "/etc", "to-mine": str(mine),
             "inside": "plain", "magic": "/proc/self/root/etc/passwd"}
    script = f"cd {home} && cp /usr/bin/id suid && chmod 6755 suid && echo plain >plain && cp /usr/bin/cat sgid && chmod 2755 sgid"
    script += "".join(f" && ln -s {target} {link}" for link, target in links.items())
    run("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "sh", "-c", script)
    for device, kind, number in (("null", stat.S_IFCHR, (1, 3)), ("disk", stat.S_IFBLK, (7, 0))):
        os.mknod(home / device, kind | 0o666, os.makedev(*number))
        os.chown(home / device, uid, uid)
        os.chmod(home / device, 0o666)
    # setuid: users who run it stay who they are. The control: the same file through another mount.
    own = pwd.getpwnam(owner)
    if seen_as == "owner":
        assert run(view / "suid", "-u", user=owner).stdout == f"{own.pw_uid}\n"
        assert run(view / "suid", "-g", user=owner).stdout == f"{own.pw_gid}\n"
    else:
        assert "Permission denied" in run("sh", "-c", f"{view}/suid -u", user=owner, check=False).stderr
    bind = tmp_path / "bind"
    control = f"mkdir {bind} && mount --bind {home} {bind} && chmod 755 {bind} && exec setpriv --reuid {own.pw_uid} --clear-groups {bind}/suid -u"
    assert run("unshare", "--mount", "--propagation", "private", "sh", "-c", control).stdout == f"{uid}\n"
    # devices: no node, for root neither
    for device in ("null", "disk"):
        for user in (owner, None):
            refused = run("head", "-c1", view / device, user=user, check=False)
            assert refused.returncode != 0 and "Permission denied" in refused.stderr
    assert run("head", "-c1", home / "null").returncode == 0  # the control
    # links: visible as such, never gone through, by the owner or by root
    for link, target in links.items():
        assert run("readlink", view / link, user=owner).stdout == f"{target}\n"
        for command in (["cat", view / link], ["ls", f"{view}/{link}/"], ["sh", "-c", f"echo x >>{view}/{link}"],
                        ["cp", "-rL", view / link, f"/home/{owner}/taken"], ["chmod", "777", view / link]):
            for user in (owner, None):
                assert run(*command, user=user, check=False).returncode != 0, (link, command)
    assert run("cat", home / "absolute").stdout == Path("/etc/passwd").read_text()  # the control
    assert mine.read_text() == "mine\n" and stat.S_IMODE(mine.stat().st_mode) != 0o777
    assert not os.path.exists(f"/home/{owner}/taken")
    copied = run("rsync", "-aL", f"{view}/", f"/home/{owner}/copy/", user=owner, check=False)
    assert copied.returncode != 0 and sorted(os.listdir(f"/home/{owner}/copy")) == ["plain", "sgid", "suid"]


# ---- a mixed fleet: two servers, each with users of its own, and a backup host with others again --------------------------

# name: number of the user and of the group of that name
FLEET = {
    "web1": {"carol": 1234, "webby": 33, "dbase": 112, "gone": 1500},
    "web2": {"dave": 1234, "carol": 1300, "dbase": 33, "webby": 112},
    "web1, new": {"carol": 2001, "webby": 34, "dbase": 115, "other": 1234},
    "web2, new": {"dave": 3001, "carol": 3002, "dbase": 3003, "webby": 3004, "other": 1500},
    "backup host": {"carol": 41234, "dave": 41235, "dbase": 41236, "here": 1300},
}


class Machine:
    """Users of its own, and files: root there is root of a mount namespace with another /etc."""

    def __init__(self, base, name):
        self.users = FLEET[name]
        self.etc = base / f"{name}-etc".replace(", ", "-")
        self.top = base / f"{name}-top".replace(", ", "-")
        self.top.mkdir()
        if name != "backup host":
            run("cp", "-a", "/etc", self.etc)
            for kind, line in (("passwd", "{0}:x:{1}:{1}::/:/bin/sh\n"), ("group", "{0}:x:{1}:\n")):
                kept = [text for text in (self.etc / kind).read_text().splitlines(True) if self.keep(text)]
                (self.etc / kind).write_text("".join(kept + [line.format(*user) for user in self.users.items()]))

    def keep(self, line):
        name, _, number = line.split(":")[:3]
        return name not in set().union(*FLEET.values()) and int(number) not in self.users.values()

    def rsync(self, host, key, *words):
        shell = " ".join(["ssh", *host.ssh_options(key)])
        command = shlex.join(["rsync", "-e", shell, *map(str, words)])
        return run("unshare", "--mount", "--propagation", "private", "sh", "-c", f"mount --bind {self.etc} /etc && exec {command}")

    def add_files(self):
        """One file of each user, a device, and one in whose ACLs each user and group is named."""
        root = self.top
        (root / "data").mkdir()
        for name, number in self.users.items():
            (root / "data" / name).write_text(name)
            os.chown(root / "data" / name, number, number)
        os.mknod(root / "data/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.chown(root / "data/null", self.users["carol"], self.users["webby"])
        (root / "data/suid").write_text("#!/bin/sh\n")
        os.chown(root / "data/suid", self.users["dbase"], self.users["webby"])
        os.chmod(root / "data/suid", 0o6755)
        (root / "data/acl").write_text("acl")
        entries = ",".join(f"u:{number}:r,g:{number}:rw" for number in self.users.values())
        run("setfacl", "-m", entries, root / "data/acl")
        (root / "data/inherits").mkdir()
        run("setfacl", "-d", "-m", entries, root / "data/inherits")
        run("cp", "-a", self.etc, root / "etc")


def owner_of(path):
    status = path.lstat()
    return status.st_uid, status.st_gid


def acl_numbers(path):
    """The users and the groups that an ACL names."""
    lines = run("getfacl", "-cn", path).stdout.splitlines()
    return [{int(number) for number in re.findall(rf"^(?:default:)?{kind}:(\d+):", "\n".join(lines), re.M)}
            for kind in ("user", "group")]


def check_owners(data, users, numbers):
    """Each file of a user's has the number of its owner in `numbers`."""
    for name in users:
        assert (data / name).read_text() == name
        assert owner_of(data / name) == (numbers[name], numbers[name]), name
    assert owner_of(data / "null") == (numbers["carol"], numbers["webby"])
    assert owner_of(data / "suid") == (numbers["dbase"], numbers["webby"])
    assert stat.S_IMODE((data / "suid").stat().st_mode) == 0o6755 and stat.S_ISCHR((data / "null").stat().st_mode)
    everybody = set(numbers[name] for name in users)
    assert acl_numbers(data / "acl") == [everybody, everybody]
    assert acl_numbers(data / "inherits") == [everybody, everybody]
    assert owner_of(data) == owner_of(data / "acl") == (0, 0)


def settle(name):
    """Users of the backup host, whose names and numbers must stand for nothing."""
    for user, number in FLEET[name].items():
        if f"{user}:x:{number}:" not in Path("/etc/passwd").read_text():
            run("useradd", "-u", number, "-U", user)


@pytest.fixture
def fleet(host, tmp_path):
    """Both servers have pushed to accounts of one owner, one of them by name and one by number."""
    settle("backup host")
    owner = host.new_user()
    keys = {}
    for label, options in (("web1", ["-aHAX"]), ("web2", ["-aHAX", "--numeric-ids"])):
        server = Machine(tmp_path, label)
        server.add_files()
        _, name, push = host.account(tmp_path, "push", label, owner)
        keys[label] = host.new_key(tmp_path, f"pull-{label}")
        host.subuid("key", "add", label, "-", "--role", "pull", user=owner, input=Path(f"{keys[label]}.pub").read_text())
        server.rsync(host, push, *options, f"{server.top}/", f"{name}@127.0.0.1:root/")
        # what is stored are the numbers of the server
        for user, number in server.users.items():
            stored = os.getxattr(f"/srv/subuid/{owner}/{label}/home/root/data/{user}", "user.rsync.%stat")
            assert stored.endswith(f" {number}:{number}".encode())
    return owner, keys


@pytest.mark.parametrize("label", ["web1", "web2"])
def test_a_mixed_fleet_by_name_and_by_number(host, tmp_path, fleet, label):
    """carol is 1234 on one, dave is 1234 on the other, dbase and webby have changed places, and the reinstalled ones differ."""
    owner, keys = fleet
    old = FLEET[label]
    new = Machine(tmp_path, f"{label}, new")
    source = f"{owner}+{label}@127.0.0.1:root"
    # By name; users that do not exist here keep their number.
    new.rsync(host, keys[label], "-aHAX", f"{source}/data/", f"{new.top}/by-name/")
    check_owners(new.top / "by-name", old, {**old, **{user: new.users[user] for user in old if user in new.users}})
    # By number, as when the whole system comes back together with its users.
    new.rsync(host, keys[label], "-aHAX", "--numeric-ids", f"{source}/", f"{new.top}/by-number/")
    check_owners(new.top / "by-number/data", old, old)
    for kind in ("passwd", "group"):
        assert (new.top / f"by-number/etc/{kind}").read_text() == (tmp_path / f"{label}-etc" / kind).read_text()
    # One file.
    new.rsync(host, keys[label], "-a", f"{source}/data/dbase", f"{new.top}/")
    assert owner_of(new.top / "dbase") == (new.users["dbase"], new.users["dbase"])
    # The control: where no etc/passwd was pushed there are no names, and the files of carol or dave are another's.
    run("mv", f"/srv/subuid/{owner}/{label}/home/root/etc", f"/srv/subuid/{owner}/{label}/home/root/was-etc")
    new.rsync(host, keys[label], "-aHAX", f"{source}/data/", f"{new.top}/no-names/")
    check_owners(new.top / "no-names", old, old)


def test_from_the_owner_s_own_login_by_number(host, tmp_path, fleet):
    """Past the gate it is the backup host's names that rsync finds: --numeric-ids, or --usermap, as the manual says."""
    owner, _ = fleet
    home = Path(f"/home/{owner}")
    key = host.new_key(tmp_path, "own")
    (home / ".ssh").mkdir()
    (home / ".ssh/authorized_keys").write_text(Path(f"{key}.pub").read_text())
    run("chown", "-R", f"{owner}:", home / ".ssh")
    run("chmod", "700", home / ".ssh")
    old = FLEET["web2"]
    new = Machine(tmp_path, "web2, new")
    words = ["-aHAX", "-M--fake-super"]
    source = f"{owner}@127.0.0.1:subuid/web2/root/data/"
    new.rsync(host, key, *words, "--numeric-ids", source, f"{new.top}/by-number/")
    check_owners(new.top / "by-number", old, old)
    maps = ",".join(f"{number}:{new.users[user]}" for user, number in old.items())
    new.rsync(host, key, *words, f"--usermap={maps}", f"--groupmap={maps}", source, f"{new.top}/by-map/")
    for user in old:
        assert owner_of(new.top / "by-map" / user) == (new.users[user], new.users[user])
    # The control: 1300 is "here" on the backup host, and carol there is another carol.
    with open(new.etc / "passwd", "a") as file:
        file.write("here:x:6666:6666::/:/bin/sh\n")
    new.rsync(host, key, *words, source, f"{new.top}/wrong/")
    assert owner_of(new.top / "wrong/carol")[0] == 6666
    # Root of the backup host, from the view to a disk.
    run("rsync", "-aHAX", "--numeric-ids", "--fake-super", "-M--super", f"{home}/subuid/web2/root/data/", f"{new.top}/disk/")
    check_owners(new.top / "disk", old, old)
