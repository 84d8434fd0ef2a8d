# SPDX-License-Identifier: ISC
"""Passwords of accounts, through real sshd and PAM and by real clients: who gets in, with which rights, and how often one may try."""

import concurrent.futures
import contextlib
import grp
import json
import os
import pwd
import re
import select
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import filesystems
from conftest import call, expiry_after, run, time_taken, wait_until

PASSWORD = re.compile(r"^  ([a-z2-9]{4}(?:-[a-z2-9]{5}){4})$", re.M)
WRONG = "aaaa-bbbbb-ccccc-ddddd-eeeee"


@pytest.fixture(scope="session")
def passwords(host):
    """The host with passwords switched on, as an administrator does it."""
    conf = Path("/etc/subuidd.conf.d/40-passwords.conf")
    conf.parent.mkdir(mode=0o755, exist_ok=True)
    conf.write_text("[passwords]\nenabled = yes\ntries = 1000\n")
    os.chmod(conf, 0o644)
    run("/usr/bin/subuid", "setup")
    host.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: verifiers(), "the verifier runs")
    yield host
    verifiers_end()


def verifiers():
    """The processes of the verifier: the first one, which started the others, comes first."""
    return sorted(map(int, run("pgrep", "-u", "subuidd-verify", check=False).stdout.split()))


def verifiers_end():
    """Those that the first one started may end with it before their turn comes."""
    for pid in verifiers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not verifiers(), "the verifier has ended")


def tries_set(host, most):
    """Another bound, and nothing of what was tried before."""
    Path("/etc/subuidd.conf.d/40-passwords.conf").write_text(f"[passwords]\nenabled = yes\ntries = {most}\n")
    verifiers_end()
    host.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: verifiers(), "another verifier runs")


@pytest.fixture
def web(passwords, tmp_path):
    owner, name, key = passwords.account(tmp_path, "sync,sftp")

    def add(*options):
        said = passwords.subuid("passwd", "add", "web1", *options, user=owner).stdout
        return PASSWORD.search(said).group(1)

    add.owner, add.name, add.key = owner, name, key
    return add


OPTIONS = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
           "-o", "NumberOfPasswordPrompts=1", "-o", "PubkeyAuthentication=no", "-o", "ConnectTimeout=10"]


def typed(password):
    """The environment in which ssh asks for the password, and is told this one."""
    ask = Path("/tmp/askpass")
    if not ask.exists():
        ask.write_text('#!/bin/sh\nprintf "%s\\n" "$SUBUID_TYPED"\n')
        ask.chmod(0o755)
    return {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "SUBUID_TYPED": password, "DISPLAY": "x"}


def by_password(password, program, *words, method="password", check=False, timeout=60, input=""):
    """A client that is given the password as a person would type it."""
    return run(program, *OPTIONS, "-o", f"PreferredAuthentications={method}", *words, check=check, env=typed(password), timeout=timeout,
               input=input)


def logs_in(password, name, **options):
    return by_password(password, "ssh", f"{name}@127.0.0.1", "true", **options).returncode == 0


def test_a_password_lets_in_with_its_own_role_and_no_other(passwords, web):
    push, files = web("--title", "old NAS"), web("--role", "sftp", "--append-only")
    assert push[:4] != files[:4]
    for method in ("password", "keyboard-interactive"):
        assert logs_in(push, web.name, method=method)
    assert logs_in(push.upper().replace("-", " "), web.name)
    # its role decides, never what the client says
    assert by_password(files, "sftp", f"{web.name}@127.0.0.1", input="mkdir /made\nls /\n").stdout.count("made") >= 1
    refused = by_password(files, "ssh", f"{web.name}@127.0.0.1", "rsync --server -logDtpre.iLsfxCIvu . .")
    assert refused.returncode != 0 and refused.stdout == ""
    refused = by_password(push, "sftp", f"{web.name}@127.0.0.1", input="ls /\n")
    assert refused.returncode != 0
    for words in ("sh", "granted", "sync key=1 fp=SHA256:" + "A" * 43, "internal-sftp", "cat /etc/passwd"):
        result = by_password(push, "ssh", f"{web.name}@127.0.0.1", words)
        assert result.returncode != 0 and result.stdout == "", words
    assert by_password(push, "ssh", "-tt", f"{web.name}@127.0.0.1").returncode != 0
    forwarded = by_password(push, "ssh", "-W", "127.0.0.1:22", f"{web.name}@127.0.0.1")
    assert forwarded.returncode != 0 and "SSH-2.0" not in forwarded.stdout
    # the account's key goes on as before, with its own role
    assert run("sftp", *passwords.ssh_options(web.key), f"{web.name}@127.0.0.1", input="ls /\n").returncode == 0
    shown = passwords.subuid_json("passwd", "list", "web1", user=web.owner)
    assert [(one["comment"] if "comment" in one else "", one["role"]) for one in shown] == [("old NAS", "push"), ("", "sftp")]
    assert len(passwords.subuid_json("key", "list", "web1", user=web.owner)) == 1
    used = wait_until(lambda: [one for one in passwords.subuid_json("passwd", "list", "web1", user=web.owner) if "lastUsed" in one],
                      "the last use is recorded")
    assert abs(used[0]["lastUsed"] - time.time()) < 60


def notes_of(name):
    """What root has noted for sessions of the account."""
    return [entry for entry in Path("/run/subuidd/grants").iterdir() if entry.stat().st_gid == pwd.getpwnam(name).pw_gid]


def test_a_shell_and_a_line_by_password_and_a_terminal_only_where_it_is_given(web):
    plain, given = web("--role", "shell"), web("--role", "shell", "--tty")
    line = web("--role", "command", "--command", 'echo "100% $SSH_ORIGINAL_COMMAND"')
    assert by_password(plain, "ssh", "-T", f"{web.name}@127.0.0.1", "echo $((1 + 1))").stdout == "2\n"
    assert by_password(plain, "ssh", "-T", f"{web.name}@127.0.0.1", input="echo in; tty; exit 3\n").stdout == "in\nnot a tty\n"
    assert "100% sh" in by_password(line, "ssh", "-T", f"{web.name}@127.0.0.1", "sh").stdout
    # sshd gives a terminal to whoever asks
    asked = by_password(plain, "ssh", "-tt", f"{web.name}@127.0.0.1", "tty")
    assert asked.returncode != 0 and "no terminal here" in asked.stdout and "/dev/" not in asked.stdout
    assert "/dev/" in by_password(given, "ssh", "-tt", f"{web.name}@127.0.0.1", "tty").stdout
    # what a shell has of the machine is what it has with a key
    seen = by_password(plain, "ssh", "-T", f"{web.name}@127.0.0.1", "cat /run/subuidd/grants/* /var/lib/subuidd/passwords; ls /home")
    assert "SHA256" not in seen.stdout and web.owner not in seen.stdout


def test_a_session_ends_with_its_password_and_its_note_with_it(web):
    lasting = web("--role", "sftp")
    soon = expiry_after(lambda: [logs_in(lasting, web.name) for _ in range(2)])
    reply = call("io.subuidd.Accounts.KeyAdd", {"owner": web.owner, "label": "web1", "key": {
        "password": True, "role": "sftp", "expires": soon}})
    wait_until(lambda: not notes_of(web.name), "no session of before")

    def session(password):
        process = subprocess.Popen(["ssh", *OPTIONS, "-o", "PreferredAuthentications=password", "-s", f"{web.name}@127.0.0.1", "sftp"],
                                   env={**os.environ, **typed(password)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdin.write(b"\0\0\0\5\1\0\0\0\3")  # SSH_FXP_INIT, version 3
        process.stdin.flush()
        assert process.stdout.read(5)[4:] == b"\2", "SSH_FXP_VERSION: it is connected"
        return process

    control, short = session(lasting), session(reply["parameters"]["password"])
    try:
        assert time.time() < soon and short.poll() is None and len(notes_of(web.name)) == 2
        short.wait(60)
        assert time.time() >= soon
        assert control.poll() is None, "a session of another password goes on"
        wait_until(lambda: len(notes_of(web.name)) == 1, "its note is gone")
    finally:
        for process in (control, short):
            process.kill()
            process.communicate()
    wait_until(lambda: not notes_of(web.name), "so is the other's")


def test_real_clients_bring_and_fetch_files(passwords, web, tmp_path):
    password = web("--role", "sftp")
    (tmp_path / "one").write_text("1")
    batch = f"put {tmp_path}/one /one\n"
    assert by_password(password, "sftp", f"{web.name}@127.0.0.1", input=batch).returncode == 0
    home = Path(pwd.getpwnam(web.name).pw_dir) / "home"
    assert (home / "one").read_text() == "1"
    connect = "set sftp:auto-confirm yes; set net:max-retries 1; set cmd:fail-exit yes"
    run("lftp", "-e", f"{connect}; open -u '{web.name},{password}' sftp://127.0.0.1; put {tmp_path}/one -o /two; bye", env={"HOME": str(tmp_path)})
    assert (home / "two").read_text() == "1"
    hidden = run("rclone", "obscure", password).stdout.strip()
    remote = f":sftp,host=127.0.0.1,user='{web.name}',pass='{hidden}',shell_type=none:"
    run("rclone", "--config", "/dev/null", "copyto", tmp_path / "one", f"{remote}/three", env={"HOME": str(tmp_path)})
    assert (home / "three").read_text() == "1"
    url, user = "sftp://127.0.0.1/four", f"{web.name}:{password}"
    run("curl", "-sS", "--insecure", "-u", user, "-T", tmp_path / "one", url)
    assert (home / "four").read_text() == "1" and run("curl", "-sS", "--insecure", "-u", user, url).stdout == "1"
    assert run("curl", "-sS", "--insecure", "-u", f"{web.name}:{WRONG}", url, check=False).returncode == 67  # login denied


def asked(program, turns, **options):
    """A conversation by lines: each is said when that was heard, after the one before; the last is only heard."""
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options) as process:
        heard, said = b"", 0
        try:
            for wanted, line in turns:
                while not (found := re.search(wanted, heard[said:], re.M)):
                    assert select.select([process.stdout], [], [], 60)[0], (wanted, heard)
                    data = os.read(process.stdout.fileno(), 65536)
                    assert data, (wanted, heard)
                    heard += data
                said += found.end()
                process.stdin.write(line.encode() + b"\n" if line else b"")
                process.stdin.flush()
        finally:
            process.kill()


def test_filezilla(web, tmp_path):
    """Its part that speaks SFTP, told what its window tells it. What it says begins with a letter for what it is; contents are in memory
    that both have mapped, and -HANDLE SIZE, -PLACE LENGTH and - are where, the first piece, and that there is no other."""
    password, push = web("--role", "sftp"), web("--role", "push")
    home, memory = Path(pwd.getpwnam(web.name).pw_dir) / "home", os.memfd_create("contents", 0)
    os.write(memory, b"of FileZilla".ljust(65536))

    def session(password, *turns):
        begin = [(b"^0fzSftp started", "-0-\n-1-"), (b"", f'open "{web.name}@127.0.0.1" 22'),
                 *([] if (tmp_path / ".putty/sshhostkeys").exists() else [(b"^9127.0.0.1\n", "y")]), (b"^<Password: ", password)]
        asked("fzsftp", begin + list(turns), env={"PATH": "/usr/bin", "HOME": str(tmp_path)}, pass_fds=[memory])

    session(password, (b"^3Remote working directory is /$", 'mkdir "/made"'), (b"^0mkdir /made: OK", 'put "here" "/made/five"'),
            (b"^K0$", f"-{memory} 65536"), (b"^L0$", "-0 12"), (b"^L0$", "-"), (b"^11$", 'ls "/made"'), (b"^8-rw.* 12 .*five$", ""))
    assert (home / "made/five").read_text() == "of FileZilla"
    session(WRONG, (b"^5Access denied", ""))
    session(push, (b"need a key with the role sftp", ""))
    os.close(memory)


def test_what_is_wrong_is_refused_within_a_second(passwords, web):
    right, late, elsewhere, here = web(), web("--expires", "+1d"), web("--from", "192.0.2.0/24"), web("--from", "127.0.0.0/8,!192.0.2.1")
    number = passwords.subuid_json("passwd", "list", "web1", user=web.owner)[0]["id"]

    usual = max(time_taken(lambda: logs_in(right, web.name)) for _ in range(2))  # sshd's own part and the machine's load

    def refused(password, name=web.name):
        begun = time.monotonic()
        answer = logs_in(password, name)
        # where no answer comes, it is waited for for five seconds
        assert time.monotonic() - begun < 4.5 + 2 * usual
        return not answer

    assert logs_in(right, web.name) and logs_in(late, web.name) and logs_in(here, web.name)
    assert refused(elsewhere) and refused(WRONG) and refused(right[:-1] + ("a" if right[-1] != "a" else "b"))
    assert refused(right, web.name + "x") and refused(right, "nobody+web1")
    passwords.subuid("lock", "web1", user=web.owner)
    assert refused(right)
    passwords.subuid("unlock", "web1", user=web.owner)
    assert logs_in(right, web.name)
    passwords.subuid("passwd", "remove", "web1", str(number), user=web.owner)
    assert refused(right) and logs_in(late, web.name)
    other_owner, other, _ = passwords.account(Path("/tmp"), "push", "web1")
    assert refused(late, other)


def test_owners_only_and_only_where_the_host_says_so(passwords, web, tmp_path):
    stranger = passwords.new_user()
    for words in (["add", web.name], ["list", web.name]):
        assert passwords.subuid("passwd", *words, user=stranger, check=False).returncode != 0
    assert passwords.subuid("passwd", "add", "web1", "--from", "*.example.org", user=web.owner, check=False).returncode != 0
    web()
    refused = passwords.subuid("key", "add", "web1", "-", "--forward", "localhost:5900", user=web.owner, check=False,
                               input=Path(f"{passwords.new_key(tmp_path, 'forwards')}.pub").read_text())
    assert refused.returncode != 0 and "forward" in refused.stderr
    groups = run("id", "-Gn", web.name).stdout.split()
    assert "subuids-passwords" in groups
    for one in passwords.subuid_json("passwd", "list", "web1", user=web.owner):
        passwords.subuid("passwd", "remove", "web1", str(one["id"]), user=web.owner)
    assert "subuids-passwords" not in run("id", "-Gn", web.name).stdout.split()
    assert "password" not in run("sshd", "-T", "-C", f"user={web.name},host=h,addr=127.0.0.1").stdout.split("authenticationmethods ")[1].split("\n")[0]


def test_nobody_reads_the_hashes(passwords, web):
    password = web()
    secret = password[4:].replace("-", "")
    kept = Path("/var/lib/subuidd/passwords").read_bytes()
    assert b"$y$j9T$" in kept and secret.encode() not in kept
    # a walk: what any user but root may read has none of it
    uid, verifier = pwd.getpwnam(web.name).pw_uid, grp.getgrnam("subuidd-verify").gr_gid
    found = run("grep", "-rlaE", r"\$y\$j9T\$", "/var/lib/subuidd", "/run/subuidd", "/var/backups/subuidd", check=False).stdout.split()
    assert "/var/lib/subuidd/passwords" in found and "/var/lib/subuidd/state.db" in " ".join(found)  # the walk does find it
    for path in found:
        entry = os.stat(path)
        assert entry.st_uid == 0 and entry.st_mode & 0o007 == 0, path
        assert entry.st_mode & 0o070 == 0 or entry.st_gid == verifier, path
    for user in (web.owner, uid, "subuidd", "subuidd-keys", "subuidd-hook", "subuidd-userdb"):
        words = ["setpriv", "--reuid", str(user), "--regid", str(pwd.getpwnam(user).pw_gid if isinstance(user, str) else user), "--init-groups" if isinstance(user, str) else "--clear-groups"]
        assert run(*words, "cat", "/var/lib/subuidd/passwords", check=False).returncode != 0, user
        asked = run(*words, "/usr/bin/python3", "-c", "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect('/run/subuidd/passwords')", check=False)
        assert "PermissionError" in asked.stderr, (user, asked)
    # nor is it in what people and programs are told
    assert logs_in(password, web.name) and not logs_in(password[:-1] + ("a" if password[-1] != "a" else "b"), web.name)
    for said in (passwords.subuid("audit", "--all", "-n", "50").stdout, passwords.subuid("key", "list", web.name, "--json").stdout,
                 passwords.subuid("passwd", "list", web.name, "--json").stdout, passwords.subuid("export").stdout,
                 Path("/run/subuidd.log").read_text(), passwords.sshd_log()):
        assert secret not in said.replace("-", "") and password not in said and "$y$" not in said
    assert "passwords are not in it" in passwords.subuid("export").stderr


def test_ordinary_users_are_as_ever_with_and_without_the_verifier(passwords, web):
    password, user = web(), passwords.new_user()
    run("chpasswd", input=f"{user}:correct horse\n")

    def ordinary():
        return run("pamtester", "sshd", user, "authenticate", input="correct horse\n", check=False).returncode == 0

    assert ordinary() and logs_in(password, web.name)
    assert run("pamtester", "sshd", user, "authenticate", input="wrong\n", check=False).returncode != 0
    for pid in verifiers():
        os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert not logs_in(password, web.name)
        assert 4 < time.monotonic() - begun
        assert ordinary()
    finally:
        for pid in verifiers():
            os.kill(pid, signal.SIGCONT)
    assert logs_in(password, web.name)
    verifiers_end()
    assert not logs_in(password, web.name) and ordinary()
    assert passwords.ssh(web.key, web.name, "true").returncode == 0  # keys need no verifier
    passwords.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: verifiers() and logs_in(password, web.name), "another one answers")


def test_logins_go_on_while_the_daemon_is_down_and_one_worker_less(passwords, web):
    password = web()
    passwords.stop_daemon()
    try:
        assert logs_in(password, web.name)
        os.kill(verifiers()[-1], signal.SIGKILL)
        assert logs_in(password, web.name)
        wait_until(lambda: len(verifiers()) >= 3, "the killed one is replaced")
    finally:
        passwords.start_daemon()


QUESTION = struct.Struct("I256s128s64s")
MAGIC = 0x70773031


def ask(name, password, address="127.0.0.1", packet=None):
    """What pam_subuid asks: 1 wrong, 2 right, 3 too many, None: no answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(60)
        peer.connect("/run/subuidd/passwords")
        peer.send(packet if packet is not None else QUESTION.pack(MAGIC, name.encode(), password.encode(), address.encode()))
        answer = peer.recv(64)
        return struct.unpack("I", answer)[0] if answer else None


def test_at_most_so_many_tries_a_minute_whoever_asks(passwords, web, tmp_path):
    password = web()
    _, other, _ = passwords.account(tmp_path, "push", "web1")
    owner = other.split("+")[0]
    others = PASSWORD.search(passwords.subuid("passwd", "add", "web1", user=owner).stdout).group(1)
    tries_set(passwords, 10)
    try:
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            said = list(pool.map(lambda i: ask(web.name, WRONG, f"198.51.100.{i % 200}"), range(200)))
        assert said.count(1) <= 10 and said.count(1) + said.count(3) == 200 and said.count(2) == 0
        # guesses keep out neither those who know a password of the account nor others
        assert ask(web.name, password, "192.0.2.7") == 2 and ask(other, others, "192.0.2.8") == 2
        assert all(ask(web.name, password, "192.0.2.7") == 2 for _ in range(20))  # right ones are not counted
        # from one address, at many names
        said = [ask(f"nobody+{i}", WRONG, "203.0.113.1") for i in range(30)]
        assert said.count(1) <= 10 and said.count(3) >= 20
        assert ask(other, others, "203.0.113.1") == 3 and ask(other, others, "203.0.113.2") == 2
        # the control: without a bound worth the name all of them are computed
        tries_set(passwords, 1000)
        assert [ask(web.name, WRONG, f"198.51.100.{i}") for i in range(30)] == [1] * 30
    finally:
        tries_set(passwords, 1000)


def test_nothing_but_a_question_is_answered(passwords, web):
    password = web()
    whole = QUESTION.pack(MAGIC, web.name.encode(), password.encode(), b"127.0.0.1")
    for packet in (b"x", whole[:-1], whole + b"\0", b"\0" + whole[1:], QUESTION.pack(MAGIC, b"n" * 256, b"p", b"a"),
                   QUESTION.pack(MAGIC, b"n", b"p" * 128, b"a"), QUESTION.pack(MAGIC, b"n", b"p", b"a" * 64)):
        assert ask("", "", packet=packet) is None
    assert ask(web.name, password, packet=whole) == 2


@contextlib.contextmanager
def changed(path, text):
    """The file has this content meanwhile; None: there was none before, and is none then."""
    path = Path(path)
    before = path.read_text() if path.exists() else None
    path.write_text(text)
    try:
        yield
    finally:
        path.unlink() if before is None else path.write_text(before)


def unwell(host):
    """What the doctor says about passwords: the checks that are not good."""
    checks = json.loads(host.subuid("doctor", "--json", check=False).stdout)["checks"]
    found = {row["check"] for row in checks if row["check"].startswith("passwords")}
    assert found, "it looks at them"
    return {row["check"] for row in checks if row["check"].startswith("passwords") and row["result"] != "good"}


def test_setup_and_doctor_tell_why_passwords_do_not_work(passwords, web):
    host, password = passwords, web()
    pam = Path("/etc/pam.d/sshd")
    good = pam.read_text()
    (line,) = [line for line in good.splitlines(True) if line.startswith("auth") and "pam_subuid.so" in line]
    fedora = "auth substack common-auth\n" + good.replace("@include common-auth\n", "")
    late = fedora.replace(line, "").replace("auth substack common-auth\n", f"auth substack common-auth\n# subuidd: begin\n{line}# subuidd: end\n")
    assert unwell(host) == set() and logs_in(password, web.name)
    for broken in (good.replace(line, "#" + line), late, fedora.replace(line, "")):
        with changed(pam, broken):
            assert unwell(host) == {"passwords: PAM"}, broken
            assert not logs_in(password, web.name), broken
            host.subuid("setup")
            assert unwell(host) == set() and logs_in(password, web.name), pam.read_text()
            assert run("pamtester", "sshd", web.name, "acct_mgmt", check=False).returncode == 0
    first = Path("/etc/ssh/sshd_config.d/00-first.conf")
    with changed(first, "Match Group subuids-passwords\n\tPasswordAuthentication no\nMatch all\n"):
        assert unwell(host) == {"passwords: sshd"}
        told = host.subuid("setup", check=False)
        assert told.returncode == 1 and "for an account with passwords `passwordauthentication` is `no`" in told.stderr, told
    with changed("/etc/subuidd.conf.d/40-passwords.conf", "[passwords]\nenabled = perhaps\n"):
        assert unwell(host) == {"passwords"}
        told = host.subuid("setup", check=False)
        assert told.returncode == 1 and "neither yes nor no" in told.stderr, told
    host.subuid("setup")
    for pid in verifiers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not verifiers(), "the verifier has ended")
    assert unwell(host) == {"passwords: verifier"}
    host.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: verifiers() and unwell(host) == set(), "another verifier runs")


@contextlib.contextmanager
def failing(host, syscall, path, error):
    """This call of the daemon's fails for this path."""
    strace = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-P", path, "-e", f"trace={syscall}", "-e",
                               f"inject={syscall}:error={error}", "-p", str(host.daemon.pid)])
    try:
        wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace attached")
        yield
    finally:
        strace.terminate()
        strace.wait()


def verifier_anew(host):
    """It has the directory of the state open that was there when it started."""
    for pid in verifiers():
        with contextlib.suppress(ProcessLookupError):  # they end with the first of them
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not verifiers(), "the verifier has ended")
    host.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: verifiers(), "another verifier runs")


@pytest.mark.parametrize("how", ["reload", "restart", "read-only", "reload xfs", "reload btrfs"])
def test_switched_off_on_a_full_disk_nobody_comes_in(passwords, tmp_path, how):
    host, conf = passwords, Path("/etc/subuidd.conf.d/40-passwords.conf")
    before = conf.read_text()

    def reload():
        lines = Path("/run/subuidd.log").read_text().count("settings read again")
        host.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: Path("/run/subuidd.log").read_text().count("settings read again") > lines, "the settings are read")

    try:
        with filesystems.state_and_homes_on(host, (how.split() + ["ext4"])[1], tmp_path):
            verifier_anew(host)
            owner, name, _ = host.account(tmp_path, "sync")
            password = PASSWORD.search(host.subuid("passwd", "add", "web1", user=owner).stdout).group(1)
            assert logs_in(password, name)
            uid = pwd.getpwnam(name).pw_uid
            with filesystems.filled(uid, filesystems.HOMES / owner / "web1/home"), contextlib.ExitStack() as stack:
                if how == "read-only":
                    stack.enter_context(failing(host, "unlinkat", "/var/lib/subuidd/passwords", "EROFS"))
                conf.write_text("[passwords]\nenabled = no\n")
                if how == "restart":
                    host.restart_daemon()
                else:
                    reload()
                assert not logs_in(password, name)
                assert how == "read-only" or not Path("/var/lib/subuidd/passwords").exists()
            run("find", filesystems.HOMES / owner / "web1/home", "-mindepth", "1", "-delete")
            conf.write_text(before)
            reload()
            wait_until(lambda: logs_in(password, name), "switched on again, it lets in")
    finally:
        conf.write_text(before)
        verifier_anew(host)


def test_unknown_names_and_locked_accounts_take_as_long(passwords, web):
    """The shortest time of each kind: more rounds bring it only nearer to the truth, on a busy machine too. Without a hash the
    answer takes a tenth, and stays there. The unit test counts the hashes (test_verify.c)."""
    password = web()
    owner = web.owner
    without = passwords.account(Path("/tmp"), "push", "web2", owner)[1]
    shut = passwords.account(Path("/tmp"), "push", "web3", owner)[1]
    right = PASSWORD.search(passwords.subuid("passwd", "add", "web3", user=owner).stdout).group(1)
    passwords.subuid("lock", "web3", user=owner)
    nearly = password[:-1] + ("a" if password[-1] != "a" else "b")
    kinds = {"wrong": (web.name, nearly), "begins like none": (web.name, WRONG), "no passwords": (without, WRONG),
             "no such account": (owner + "+none", WRONG), "no such name": ("x", WRONG), "not of ours": (web.name, "hunter2"),
             "locked": (shut, right)}
    shortest = dict.fromkeys(kinds, float("inf"))
    rounds = 0
    while rounds < 15 or (max(shortest.values()) >= 2 * min(shortest.values()) and rounds < 100):
        rounds += 1
        for kind, (name, typed) in kinds.items():
            begun = time.monotonic()
            assert ask(name, typed, f"198.51.100.{rounds}") == 1
            shortest[kind] = min(shortest[kind], time.monotonic() - begun)
    assert max(shortest.values()) < 2 * min(shortest.values()), shortest


def test_a_dry_run_makes_and_removes_none(passwords, web):
    def passwd(*words):
        return passwords.subuid("passwd", *words, user=web.owner).stdout

    assert not PASSWORD.search(passwd("add", "web1", "--dry-run")), "none is shown that would not be let in"
    assert passwords.subuid_json("passwd", "list", "web1", user=web.owner) == []
    password = web()
    (one,) = passwords.subuid_json("passwd", "list", "web1", user=web.owner)
    passwd("remove", "web1", str(one["id"]), "--dry-run")
    assert logs_in(password, web.name)
    passwd("remove", "web1", str(one["id"]))
    assert passwords.subuid_json("passwd", "list", "web1", user=web.owner) == [] and not logs_in(password, web.name)
