# SPDX-License-Identifier: ISC
"""The daemon's own helpers are no way in: whoever has the uid of one of them does not become it."""

import contextlib
import os
import pwd
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from conftest import ROOT, call, run, wait_until

PROGRAMS = Path("/usr/libexec/subuidd")
SECONDS, TRIES = 8, 100_000


@pytest.fixture(scope="module")
def racer(tmp_path_factory):
    directory = tmp_path_factory.mktemp("racer")
    run("gcc", "-O2", "-static", "-D_GNU_SOURCE", "-o", directory / "racer", ROOT / "tests/e2e/racer.c")
    for path in [directory, *directory.parents][:3]:
        path.chmod(0o755)
    return directory / "racer"


@contextlib.contextmanager
def readable(program):
    """The control: as it was installed before."""
    os.chmod(PROGRAMS / program, 0o755)
    try:
        yield
    finally:
        os.chmod(PROGRAMS / program, 0o711)


def race(racer, user, again, *line, seconds=SECONDS, tries=TRIES, until=lambda: False):
    """(refused tries, seizures), while `again` makes one process of the user after the other. None: `until` was first."""
    entry = pwd.getpwnam(user)
    ended = threading.Event()

    def make():
        while not ended.is_set():
            with contextlib.suppress(OSError):
                again()

    maker = threading.Thread(target=make)
    maker.start()
    attack = subprocess.Popen([racer, str(seconds), str(tries), *line], stdout=subprocess.PIPE, text=True, user=entry.pw_uid,
                              group=entry.pw_gid, extra_groups=[], cwd="/")
    try:
        wait_until(lambda: attack.poll() is not None or until(), "the racer ends", 20 * seconds)
        if attack.poll() is None:
            return None
    finally:
        ended.set()
        maker.join()
        attack.kill()
        out = attack.communicate()[0]
    assert attack.returncode == 0
    return tuple(map(int, out.split()))


def answers():
    with contextlib.suppress(OSError):
        return "error" not in call("io.subuidd.Accounts.Status", timeout=60)
    return False


def new_workers():
    call("io.subuidd.Accounts.Status")


def test_who_has_the_uid_of_workers_becomes_none(host, racer):
    assert (PROGRAMS / "worker").stat().st_mode & 0o777 == 0o711
    host.restart_daemon()
    refused, seized = race(racer, "subuidd", new_workers)
    assert seized == 0 and refused >= TRIES
    with readable("worker"):
        host.restart_daemon()
        assert race(racer, "subuidd", new_workers, seconds=30)[1] > 0, "the control: a worker that can be read is seized"
    host.restart_daemon()


@contextlib.contextmanager
def other_worker(host, tmp_path, *flags):
    """The daemon with other_voice.c as its worker: its log."""
    binary, real, worker = tmp_path / "other", tmp_path / "real", PROGRAMS / "worker"
    run("gcc", "-O1", "-D_GNU_SOURCE", *flags, f"-I{ROOT}", "-o", binary, ROOT / "tests/e2e/other_voice.c")
    run("cp", "-a", worker, real)
    host.stop_daemon()
    run("install", "-m", "0711", binary, worker)
    log = tmp_path / "log"
    with log.open("wb") as out:
        daemon = subprocess.Popen(["/usr/sbin/subuidd", "--foreground"], stdout=out, stderr=out, cwd="/")
    try:
        wait_until(lambda: "serving" in log.read_text(), "it serves")
        yield log.read_text
    finally:
        daemon.terminate()
        daemon.wait(60)
        run("install", "-m", "0711", real, worker)
        host.start_daemon()


def test_a_channel_is_worth_nothing_in_another_process(host, tmp_path):
    """A process that got a worker's descriptor, but is not the one that the daemon has started."""
    with other_worker(host, tmp_path) as log:
        reply = call("io.subuidd.Accounts.Status")
        assert reply == {"parameters": {"voice": "worker"}}, "the control: the process that was started may speak"
        assert "another process" not in log()
    with other_worker(host, tmp_path, "-DCHILD") as log:
        wait_until(lambda: "another process spoke in its place" in log(), "it is refused")
        with pytest.raises(OSError):
            assert "voice" not in str(call("io.subuidd.Accounts.Status"))
            raise ConnectionResetError("told that there is no worker")


def test_who_has_the_uid_of_the_keys_command_answers_for_none(host, racer, tmp_path):
    """sshd asks for a thief's key; the racer answers in the place of authorized-keys."""
    owner, name, _ = host.account(tmp_path)
    thief = host.new_key(tmp_path, "thief")
    line = " ".join(Path(f"{thief}.pub").read_text().split()[:2]) + "\n"
    logins = []

    def login():
        # the login shell wants the words of a line of ours: what counts is that sshd lets somebody in
        logins.append(host.ssh(thief, name, "true"))

    def ask():
        run(PROGRAMS / "authorized-keys", name, *line.split(), user="subuidd-keys")

    def let_in():
        return host.sshd_log().count(f"Accepted publickey for {name} ")

    assert (PROGRAMS / "authorized-keys").stat().st_mode & 0o777 == 0o711
    refused, seized = race(racer, "subuidd-keys", login, line, seconds=10, tries=100)
    assert seized == 0 and let_in() == 0 and refused >= 100 and logins
    refused, seized = race(racer, "subuidd-keys", ask, line)  # many more of them than logins can be made
    assert seized == 0 and refused >= TRIES
    with readable("authorized-keys"):
        assert race(racer, "subuidd-keys", login, line, seconds=60, tries=1, until=let_in) is None, \
            "the control: the thief is let in by the racer's answer"


def test_workers_that_are_killed_are_replaced(host):
    for _ in range(20):
        run("pkill", "-KILL", "-u", "subuidd", check=False)
        wait_until(answers, "a call is answered")


@pytest.mark.parametrize("program", ["worker", "authorized-keys", "login"])
def test_doctor_finds_a_program_that_can_be_read(host, program):
    def said():
        return f"{PROGRAMS}/{program} can be read by users other than root" in host.subuid("doctor", check=False).stdout

    assert not said()
    with readable(program):
        assert said()
    run("setfacl", "-m", "u:subuidd-keys:r", PROGRAMS / program)
    assert said()
    run("setfacl", "-b", PROGRAMS / program)
    os.chmod(PROGRAMS / program, 0o711)
    assert not said()


def test_doctor_finds_a_host_on_which_that_is_no_help(host, tmp_path):
    assert Path("/proc/sys/fs/suid_dumpable").read_text() != "1\n"
    assert "suid_dumpable is 1" not in host.subuid("doctor", check=False).stdout
    (tmp_path / "one").write_text("1\n")  # the real one is the host's, and not ours to change
    run("mount", "--bind", tmp_path / "one", "/proc/sys/fs/suid_dumpable")
    try:
        assert "suid_dumpable is 1" in host.subuid("doctor", check=False).stdout
    finally:
        run("umount", "/proc/sys/fs/suid_dumpable")


# ---- the alarm hook

HOOK = Path("/usr/local/sbin/subuid-hook")
SEEN = Path("/run/hook-seen")


@pytest.fixture
def hook(host):
    """The daemon with this text as its hook; what it writes to SEEN comes back as lines of words."""
    settings = Path("/etc/subuidd.conf.d/hook.conf")
    settings.parent.mkdir(exist_ok=True)
    SEEN.write_text("")
    SEEN.chmod(0o666)

    def install(text):
        HOOK.write_text(text)
        HOOK.chmod(0o755)
        settings.write_text(f"[alarm]\nhook = {HOOK}\n")
        host.restart_daemon()
        return lambda: [line.split() for line in SEEN.read_text().splitlines()]

    yield install
    settings.unlink()
    host.restart_daemon()


TELLS = f"""#!/bin/sh
printf '%s %s %s %s %s\\n' "$(date +%s)" "$1" "$2" "$3" "$4" >>{SEEN}
"""


def silent(host, name, user, after="1s"):
    host.subuid("set", name, "--alarm", after, user=user)


def test_the_hook_has_a_user_of_its_own_who_has_nothing(host, tmp_path, hook):
    seen = hook(f"#!/bin/sh\nprintf '%s %s %s\\n' \"$(id -un)\" \"$(id -G | wc -w)\" \"$(sed -n 's/CapEff:.//p' /proc/self/status)\" >>{SEEN}\n"
                f"kill -9 $(pgrep -u subuidd) 2>/dev/null; kill -9 -1 2>/dev/null; true\n")
    owner, name, _ = host.account(tmp_path)
    workers = run("pgrep", "-u", "subuidd").stdout
    silent(host, "web1", owner)
    assert wait_until(seen, "the hook is called")[0] == ["subuidd-hook", "1", "0" * 16]
    uid = pwd.getpwnam("subuidd-hook").pw_uid
    wait_until(lambda: run("pgrep", "-u", uid, check=False).returncode == 1, "it ends")
    assert set(run("pgrep", "-u", "subuidd").stdout.split()) & set(workers.split()), "no worker was reached"
    assert run("find", "/", "-xdev", "-user", "subuidd-hook", check=False).stdout == ""


def test_the_hook_is_told_whom_to_write_to(host, hook):
    seen = hook(f"#!/bin/sh\nprintf '%s %s<%s>\\n' \"$1\" $# \"$5\" >>{SEEN}\n")
    owner = host.new_user()
    host.subuid("add", "web1", "--contact", "ops@example.org", "--alarm", "1s", user=owner)
    host.subuid("add", "web2", "--alarm", "1s", user=owner)
    wait_until(lambda: len(seen()) >= 2, "the hook is called")
    assert sorted(" ".join(words) for words in seen()[:2]) == [f"{owner}+web1 6<ops@example.org>", f"{owner}+web2 6<>"]
    for wrong in ("ops", "a b@c", "-x@y", "a@b\nCc: c@d", "@b", "a@"):
        result = host.subuid("set", "web1", "--contact", wrong, user=owner, check=False)
        assert result.returncode == 2 and "not a mail address" in result.stderr, (wrong, result)


def test_without_its_user_no_hook_is_run_and_doctor_says_so(host, tmp_path, hook):
    """A host that was set up by an earlier version, and upgraded."""
    seen = hook(TELLS)
    owner, name, _ = host.account(tmp_path)
    run("userdel", "subuidd-hook")
    try:
        silent(host, "web1", owner)
        wait_until(lambda: "the user subuidd-hook does not exist: run subuid setup" in Path("/run/subuidd.log").read_text(),
                   "it is said")
        assert seen() == []
        assert "subuidd-hook, or its group, does not exist" in host.subuid("doctor", check=False).stdout
    finally:
        host.subuid("setup")
    assert "subuidd-hook, or its group" not in host.subuid("doctor", check=False).stdout
    silent(host, "web1", owner, "900h")
    silent(host, "web1", owner)
    # not "well" alone: what is told after that would be told to the hook of the next test
    wait_until(lambda: "silent" in [line[2] for line in seen()], "the hook is called")


LEAVES = f"""#!/bin/sh
sleep 1000 &
setsid sh -c 'sleep 1001 & sleep 1002' &
(setsid sh -c 'sleep 1003 &' &) &
while [ "$(pgrep -c -x -f 'sleep 100[0-3]')" -lt 4 ]; do sleep 0.1; done
echo $1 >>{SEEN}
%s
"""


@pytest.mark.parametrize("how", ["its own end", "the daemon's end"])
def test_what_a_hook_begins_ends_with_it(host, tmp_path, hook, how):
    seen = hook(LEAVES % ("true" if how == "its own end" else "sleep 1004"))
    owner, name, _ = host.account(tmp_path)

    def left():
        return run("pgrep", "-x", "-f", "sleep 100[0-4]", check=False).stdout.split()

    # the control: the same program run by anybody else leaves four behind
    subprocess.run(["sh", "-c", LEAVES % "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=True)
    assert len(left()) == 4
    SEEN.write_text("")
    run("pkill", "-9", "-x", "-f", "sleep 100[0-4]")
    wait_until(lambda: not left(), "they are gone")
    silent(host, "web1", owner)
    wait_until(seen, "the hook is called")
    if how == "the daemon's end":
        wait_until(lambda: len(left()) == 5, "all of them run")
        host.restart_daemon()
    wait_until(lambda: not left(), "nothing is left")


def test_a_hook_under_way_ends_before_a_daemon_that_is_stopped(host, tmp_path, hook):
    """It mails, say: what it was to tell is not found again."""
    go = Path("/run/hook-go")
    go.unlink(missing_ok=True)
    seen = hook(f"#!/bin/sh\necho begun >>{SEEN}\nuntil test -e {go}; do sleep 0.05; done\necho told >>{SEEN}\n")
    owner, _, _ = host.account(tmp_path)
    silent(host, "web1", owner)
    wait_until(seen, "the hook is called")
    os.kill(host.daemon.pid, signal.SIGTERM)
    wait_until(lambda: "stopping" in Path("/run/subuidd.log").read_text().splitlines()[-1], "the daemon is about to stop")
    go.touch()
    host.stop_daemon()
    assert seen()[-1] == ["told"]
    host.start_daemon()


@pytest.fixture
def late_binding():
    """A library, and two files: the first process of a pid namespace makes one, and waits for the other before it binds
    itself to its parent."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    directory.chmod(0o777)
    reached, go = directory / "reached", directory / "go"
    library = directory / "late_binding.so"
    run("gcc", "-shared", "-fPIC", f'-DLATE_REACHED="{reached}"', f'-DLATE_GO="{go}"', "-o", library, ROOT / "tests/e2e/late_binding.c")
    yield library, reached, go
    go.touch()


def test_a_hook_does_not_outlive_a_daemon_that_is_gone_already(host, hook, tmp_path, late_binding):
    """Killed before the first process of the hook has asked to end with it."""
    library, reached, go = late_binding
    seen = hook(f"#!/bin/sh\necho run >>{SEEN}\nexec sleep 1004\n")
    owner, name, _ = host.account(tmp_path)
    host.stop_daemon()
    os.environ["LD_PRELOAD"] = str(library)
    try:
        host.start_daemon()
    finally:
        del os.environ["LD_PRELOAD"]
    silent(host, "web1", owner)
    wait_until(reached.exists, "the hook's first process is about to")
    first = int(run("pgrep", "-u", "subuidd-hook").stdout)
    host.stop_daemon(signal.SIGKILL)
    go.touch()
    wait_until(lambda: not Path(f"/proc/{first}").exists(), "it is gone")
    assert run("pgrep", "-u", "subuidd-hook", check=False).stdout == "" and not seen()
    host.start_daemon()


def test_a_shell_does_not_outlive_a_login_that_is_gone_already(host, tmp_path, late_binding):
    library, reached, go = late_binding
    owner, name, _ = host.account(tmp_path, "shell")
    uid = str(pwd.getpwnam(name).pw_uid)
    words = ("sh", "-c", "exec 3</dev/null; exec \"$@\"", "sh", "setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "env",
             f"LD_PRELOAD={library}", "/usr/libexec/subuidd/tool", "-report", "-shell=bash", "-key=1", "-takes=shell", "--", "shell",
             f"/srv/subuid/{owner}/web1/home")
    environment = {**os.environ, "SSH_ORIGINAL_COMMAND": "sleep 1004", "USER": name}

    def running():
        return run("pgrep", "-u", uid, check=False).stdout.split()

    with subprocess.Popen(words, env=environment, cwd="/") as outer:
        wait_until(reached.exists, "the first process of the shell is about to")
        assert len(running()) == 2
        outer.kill()
    go.touch()
    wait_until(lambda: not running(), "nothing of it is left")


# As systemd does it, by its own library: RestrictNamespaces= with these kinds.
RESTRICTED = """
import ctypes, glob, os, sys
library = ctypes.CDLL(glob.glob("/usr/lib/*/systemd/libsystemd-shared-*.so")[0])
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
assert library.seccomp_restrict_namespaces(ctypes.c_ulong(int(sys.argv[1]))) == 0
os.execv("/usr/sbin/subuidd", ["/usr/sbin/subuidd", "--foreground"])
"""
KINDS = {"user": 0x10000000, "pid": 0x20000000}


@pytest.mark.parametrize("which", ["as in the unit", "the control"])
def test_systemd_leaves_a_hook_its_namespace(host, tmp_path, hook, which):
    """The unit takes namespaces away from the daemon, but this one; systemd refuses clone3(2) whatever it leaves."""
    seen = hook(LEAVES % "true")
    owner, name, _ = host.account(tmp_path)
    unit = (ROOT / "subuidd/subuidd.service").read_text()
    kinds = re.search(r"^RestrictNamespaces=(.*)$", unit, re.M)[1].split() if which != "the control" else ["user"]

    def left():
        return run("pgrep", "-x", "-f", "sleep 100[0-4]", check=False).stdout.split()

    host.stop_daemon()
    with open("/run/subuidd.log", "ab") as log:
        daemon = subprocess.Popen(["/usr/bin/python3", "-c", RESTRICTED, str(sum(KINDS[kind] for kind in kinds))],
                                  stdout=log, stderr=log, cwd="/")
    try:
        wait_until(lambda: daemon.poll() is None and answers(), "it serves")
        silent(host, "web1", owner)
        wait_until(seen, "the hook is called")
        uid = pwd.getpwnam("subuidd-hook").pw_uid
        wait_until(lambda: run("pgrep", "-u", uid, "-x", "subuid-hook", check=False).returncode == 1, "the hook ends")
        if which == "the control":
            assert left(), "without a namespace what has left the group of the hook stays"
            run("pkill", "-9", "-x", "-f", "sleep 100[0-4]")
        wait_until(lambda: not left(), "nothing is left")
    finally:
        daemon.terminate()
        daemon.wait(60)
        host.start_daemon()


def alarm(owner, label, seconds):
    reply = call("io.subuidd.Accounts.Modify", {"owner": owner, "label": label, "alarm": seconds})
    assert "error" not in reply, reply


def test_a_flood_of_one_owners_alarms_delays_nobody_elses(host, hook):
    """An owner turns the alarms of eight accounts on and off, for half a minute; each hook takes half a second."""
    seen = hook(TELLS.replace("printf", "sleep 0.5; printf"))
    flooder, others = host.new_user(), [host.new_user() for _ in range(12)]
    for number in range(8):
        host.subuid("add", f"f{number}", user=flooder)
    for other in others:
        host.subuid("add", "web1", user=other)
    ended = threading.Event()
    rounds = []

    def flood():
        while not ended.wait(1.2):  # an alarm of a second is due after one
            for number in range(8):
                alarm(flooder, f"f{number}", 3_240_000 if len(rounds) % 2 else 1)
            rounds.append(None)

    def told(name):
        return [line for line in seen() if line[1].startswith(f"{name}+")]

    thread = threading.Thread(target=flood)
    thread.start()
    begun = time.monotonic()
    try:
        wait_until(lambda: len(told(flooder)) >= 7, "the flood is on")
        alarm(others[0], "web1", 1)
        # a share in common would have its next one after a minute
        wait_until(lambda: told(others[0]), "the other's alarm", 30)
        # the control: as many of others, one each, are told at once
        for other in others[1:]:
            alarm(other, "web1", 1)
        wait_until(lambda: all(told(other) for other in others), "each owner has an own share", 45)
        wait_until(lambda: time.monotonic() - begun > 30 and len(rounds) >= 15, "half a minute of flood, 8 changes each", 120)
    finally:
        ended.set()
        thread.join()
    assert len(told(flooder)) <= 8 + 1 + (time.monotonic() - begun) // 60, "one a minute more"


def test_what_comes_beyond_is_told_together(host, hook, tmp_path):
    """An owner whose whole server room is silent: the first ones one by one, the rest in one, but to nobody else."""
    seen = hook(TELLS.replace('%s\\n', '%s %s\\n').replace('"$4"', '"$4" "${5:-none}"'))
    owner = host.new_user()
    for number in range(12):
        host.subuid("add", f"w{number}", user=owner)
    for number in (10, 11):
        host.subuid("set", f"w{number}", "--contact", "ops@example.org", user=owner)
    for number in range(12):
        alarm(owner, f"w{number}", 3600)
    with host.daemon_ahead(tmp_path, 7200):  # all at once, however slow the host is
        ours = lambda: [line for line in seen() if line[1].startswith(f"{owner}+")]  # others may be silent by then, too
        wait_until(lambda: len(ours()) >= 8, "all are told")
        lines = ours()  # two at a time, which end in any order
        assert {line[1] for line in lines} <= {f"{owner}+w{number}" for number in range(10)}
        assert sorted(line[4] for line in lines) == ["0"] * 7 + ["2"] and {line[5] for line in lines} == {"none"}, lines
        states = call("io.subuidd.Accounts.List", {"owner": owner}, more=True)
        accounts = [reply["parameters"]["account"] for reply in states if "account" in reply["parameters"]]
        assert {each["label"] for each in accounts if not each.get("told")} == {"w10", "w11"}


# ---- what others keep of an account

def test_a_purge_takes_what_logind_cron_and_at_keep(host):
    """Files as those three make them: whose name or uid they have decides, and decoys stay."""
    owner = host.new_user()
    host.subuid("add", "web1", "--owner", owner, "--range", "65536")
    host.subuid("add", "web10", "--owner", owner)
    host.subuid("add", "web2", "--owner", owner)
    host.subuid("add", "web3", "--owner", owner)
    uids = {label: pwd.getpwnam(f"{owner}+{label}").pw_uid for label in ("web1", "web10")}
    first = next(entry["first"] for entry in host.subuid_json("range", "list", "--owner", owner) if entry.get("label") == "web1")
    inside, outside = first + 1234, first + 65536
    linger, crontabs, jobs = map(Path, ("/var/lib/systemd/linger", "/var/spool/cron/crontabs", "/var/spool/cron/atjobs"))
    for directory, mode, user in ((linger, 0o755, 0), (crontabs, 0o1730, 0), (jobs, 0o1770, 1)):
        directory.mkdir(parents=True, exist_ok=True)
        os.chown(directory, user, user)
        directory.chmod(mode)

    def put(path, uid, text=""):
        path.write_text(text)
        os.chown(path, uid, 0)
        path.chmod(0o600)
        return path

    name = f"{owner}+web1"
    assert pwd.getpwuid(inside).pw_name == f"{owner}+_web1_{inside}"
    theirs = [put(linger / name, 0), put(linger / f"{owner}+_web1_{inside}", 0),
              put(crontabs / name, uids["web1"], "* * * * * true\n"),
              put(crontabs / f"{owner}+_web1_{inside}", inside, "* * * * * true\n"),
              put(jobs / "a0000101c0ffee", uids["web1"], "#!/bin/sh\n"), put(jobs / "a0000201c0ffee", inside, "#!/bin/sh\n")]
    others = [put(linger / f"{owner}+web10", 0), put(linger / owner, 0), put(linger / f"{owner}+_web1_{outside}", 0),
              put(linger / f"{owner}+_{inside}", 0),
              put(linger / f"{name}.txt", 0), put(crontabs / f"{owner}+web10", uids["web10"], "x\n"),
              put(crontabs / f"{owner}+_web1_{inside + 1}", 0, "root's\n"),
              put(jobs / "a0000301c0ffee", uids["web10"], "x\n"), put(jobs / "a0000401c0ffee", outside, "x\n"),
              put(jobs / "a0000501c0ffee", 0, "x\n")]
    kept = put(linger / f"{owner}+web3", 0)
    (linger / f"{owner}+web2").symlink_to("/etc/passwd")
    try:
        host.subuid("remove", f"{owner}+web3")
        assert kept.exists(), "the control: a removal that keeps the data keeps these"
        host.subuid("remove", name, "--purge")
        assert [path for path in theirs if path.exists()] == []
        host.subuid("remove", f"{owner}+web2", "--purge")
        assert all(path.exists() for path in others) and os.path.lexists(linger / f"{owner}+web2")
    finally:
        for path in [*theirs, *others, kept]:
            path.unlink(missing_ok=True)
        (linger / f"{owner}+web2").unlink()
