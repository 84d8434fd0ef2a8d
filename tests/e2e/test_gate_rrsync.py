# SPDX-License-Identifier: ISC
"""The gate and rsync's own rrsync, asked the same: do they accept and refuse the same commands?

Both run with a stand-in for rsync that prints its arguments. The commands are made from rrsync's own table of options,
every letter, and a list of paths and of syntax. Where the two differ a line in DIFFERENCES says so and why; a line that
no command needs any more fails too. subuid-rrsync(1) lists the same differences for people.
"""

import json
import os
import re
import string
import subprocess
from pathlib import Path

from gate_fixture import UID, gate  # noqa: F401

RRSYNC = Path("/usr/bin/rrsync")

STAND_IN = r"""
#include <stdio.h>
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		printf("%s%c", argv[i], 0);
	return 0;
}
"""

# Runs in a mount namespace in which the stand-in lies on /usr/bin/rsync, as the account. rrsync takes 60 ms to start: it is
# compiled once and forked for each command.
RUNNER = r"""
import argparse, glob, io, json, os, re, socket, stat, subprocess, sys, time, fcntl
gate, rrsync, home, uid = sys.argv[1:]
os.setgroups([]); os.setresgid(*[int(uid)] * 3); os.setresuid(*[int(uid)] * 3)
code = compile(open(rrsync).read(), "rrsync", "exec")
def one(run):
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open("/dev/null", os.O_RDWR), 0); os.dup2(into, 1); os.dup2(into, 2)
        os.closerange(3, 20)
        try:
            run()
        except SystemExit as e:
            sys.stderr.flush(); os._exit(e.code if isinstance(e.code, int) else 1)
        except BaseException as e:
            os.write(2, repr(e).encode()); os._exit(99)
        os._exit(0)
    os.close(into)
    text = b""
    while chunk := os.read(out, 65536):
        text += chunk
    os.close(out)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode(errors="replace")
def theirs(options, command):
    def run():
        sys.argv = ["rrsync", *options, home]
        sys.stderr = io.TextIOWrapper(open(2, "wb", 0), write_through=True)
        os.environ["SSH_ORIGINAL_COMMAND"] = command
        os.chdir("/")
        exec(code, {"__name__": "__main__", "__file__": rrsync})
    return one(run)
def ours(options, command):
    return one(lambda: os.execve(gate, ["subuid-rrsync", *options, home], {"SSH_ORIGINAL_COMMAND": command}))
for line in sys.stdin:
    options, command = json.loads(line)
    print(json.dumps([theirs(options, command), ours(options, command)]), flush=True)
"""

PATH_VALUES = {"log-file": "log", "files-from": "list"}
UNKNOWN = ["rsh", "rsync-path", "config", "relative", "del", "secluded-args", "protect-args", "copy-as", "confine-root",
           "insecure-links", "password-file", "write-batch", "read-batch", "filter", "exclude-from", "chmod", "drop-D",
           "no-D", "sockopts", "outbuf", "early-input", "stop-at", "dparam", "detach", "archive", "chown", "delete-aft",
           "copy-links", "copy-dirlinks", "keep-dirlinks", "trust-sender", "acls", "xattrs", "help", "version"]


def table():
    text = RRSYNC.read_text()
    return {name: int(kind) for name, kind in re.findall(r"^  '([\w-]+)': (-?\d),$", text, re.M)}


def option_commands():
    for name, kind in [*table().items(), *((name, 0) for name in UNKNOWN)]:
        value = PATH_VALUES.get(name, "sub" if kind in (2, 3) else "3")
        forms = [f"--{name}={value}", *([f"--{name} {value}"] if kind > 0 else []), f"--{name}"]
        usual = forms[0] if kind > 0 else forms[-1]
        for side, words in (("", "x"), (" --sender", "sub")):
            for form in forms:
                yield [], f"rsync --server{side} -logDtpre.iLsfxCIvu {form} . {words}"
        yield ["-no-del"], f"rsync --server -logDtpre.iLsfxCIvu {usual} . x"
        yield ["-no-overwrite", "-wo"], f"rsync --server -logDtpre.iLsfxCIvu {usual} . x"
        yield ["-ro"], f"rsync --server --sender -logDtpre.iLsfxCIvu {usual} . sub"


def letter_commands():
    for letter in string.ascii_letters + string.digits + "@:.=-":
        yield [], f"rsync --server -vr{letter}t . x"
        yield [], f"rsync --server --sender -{letter} . sub"
        yield ["-no-overwrite"], f"rsync --server -r{letter}e.LsfxC . x"
        yield [], f"rsync --server -{letter}700 . x"


def path_commands():
    pushed = ["", ".", "/", "//", "x", "/x", "//x", "./x", "sub", "sub/", "sub/.", "/sub/", "..", "../x", "a/../b", "sub/..",
              "/..", "x\\ y", "\\.\\./x", "...", "..x", "-x", "link-in/x", "link-in", "link-out", "link-out/", "link-out/x",
              "/link-out", "file", "~", "{DIR}/x", "{DIR}x"]
    pulled = [*pushed[:24], "{DIR}/x", "sub file", "file sub/ /sub", "file ..", "*", "s*", "nothing*", "sub/*", "link-out/*", "dangling", "fifo",
              "sub/./f", "\\*", "[s]ub", "?ub"]
    for side, paths in (("", pushed), (" --sender", pulled)):
        for path in paths:
            yield [], f"rsync --server{side} -r . {path}"
    for path in ("{DIR}/x", "{DIR}x", "{DIR}", "{DIR}/../x", "x", "/sub", "{DIR}/link-out/x"):
        yield ["-absolute"], f"rsync --server -r . {path}"
    for option in ("backup-dir", "partial-dir", "temp-dir", "link-dest", "copy-dest", "compare-dest", "log-file", "files-from"):
        for value in ("sub", "/sub", "../x", "..", "sub/..", "sub/../../x", "link-out", "link-out/x", "link-in/d", "new", "a/b/c",
                      "/new", "-", "./sub", "sub/", "s\\ p"):
            for side, words in (("", "x"), (" --sender", "sub")):
                yield [], f"rsync --server{side} -r --{option}={value} . {words}"


SYNTAX = [
    "rsync", "rsync --server", "rsync --server .", "rsync --server . x", "rsync --server -r", "rsync --server -r x", "rsync -r . x",
    "rsync --server --server . x", "rsync --server --sender --sender . sub", "rsync --server -r --sender . sub", "rsync --sender . x",
    "rsync --server --daemon .", "rsync --daemon", "rsync --server -vlogDtprse.iLsfxC . x", "rsync --server -s", "rsync --server - . x",
    "rsync --server -- . x", "rsync --server -e.LsfxC . x", "rsync --server -e31.LsfxC . x", "rsync --server -e . x",
    "rsync --server -re sh . x", "rsync --server -ve.L;x . x", "rsync --server -e.LsfxC -r . x", "rsync --server -re.iLs -v . x",
    "rsync --server -B . x", "rsync --server -B-1 . x", "rsync --server -B1 . x", "rsync --server -@-1 . x", "rsync --server -@1 . x",
    "rsync --server -r -r --delete --delete . x", "rsync --server --delete --max-delete=1 --max-delete=2 . x",
    "rsync --server --suffix . x", "rsync --server --suffix . . x", "rsync --server --suffix= . x", "rsync --server --timeout=1 --timeout 2 . x",
    "ls", "true ", "rsync;ls --server . x", "rsync --server -r . x;ls", "rsync --server -r . $(id)", "rsync --server -r . `id`",
    "rsync --server -r . x y", "sh -c rsync", "/usr/bin/rsync --server -r . x", "rsync  --server -r . x", "rsync --server  -r . x",
    "rsync --server -r . 'x", "rsync --server -r . it's", 'rsync --server -r . "x y"', "rsync --server -r . x\\", "rsync --server --sender . ",
    "rsync --server --sender -r . {file,sub}", "rsync --server --sender -r . {sub/..,x}", "rsync --server -r . .", "rsync --server -r . -r",
    "rsync --server\t-r . x", "rsync --server -r\n. x",
]

# (pattern of "OPTIONS COMMAND" and what rrsync said, does rrsync accept it, does the gate, why)
DIFFERENCES = [
    (r"--(server|sender) .*--(server|sender)( |\n|$)", True, False, "which side this is is said once, by the first words"),
    (r" --[\w-]+=\S+ \. ", True, False, "a value for an option that takes none: rsync would refuse it later"),
    (r"-no-del rsync .* --force ", True, False, "a directory that gives way to a file is deleted"),
    (r" --(link|copy|compare)-dest=\S*\.\.", False, True, "the kernel keeps ../prev inside; it broke for many in rrsync 3.4"),
    (r" --(backup-dir|partial-dir|temp-dir|link-dest|copy-dest|compare-dest)=link-out(/x)? \. x", False, True,
     "taken from the destination, as rsync does, and there it is not; where it leads out the kernel holds it"),
    (r"rsync --server -r \. (sub file|x y)\n", True, False, "a push has one destination: rsync itself would refuse two"),
    (r"^/usr/bin/rsync --server|rsync  --server|--server\t", False, True, "a client's --rsync-path; blanks are blanks"),
    (r" -@-1 ", False, True, "what a client sends for --modify-window=-1"),
    (r"(\. 'x|it's|x\\)\n", True, False, "an open quote: the shells that clients reckon with refuse it"),
    (r"\{file,sub\}", False, True, "braces are expanded without a module of Python's"),
    (r" --sender -r \. (/?link-out|\\?\*)\n", False, True, "a link that is named is sent as a link, as rsync does"),
    (r"^true \n", False, True, "a probe is what a shell takes for one"),
    (r" --sender [^\n]*\n.*\(race detected\)", False, True, "that a source is not there is for rsync to say"),
]


def answers(gate, commands):
    fake = gate.base / "stand-in"
    (gate.base / "stand-in.c").write_text(STAND_IN)
    subprocess.run(["cc", "-static", "-o", fake, gate.base / "stand-in.c"], check=True)
    copy = gate.base / "rrsync"
    text, found = re.subn(r"(?m)^RSYNC\s*=.*$", f"RSYNC = {str(fake)!r}", RRSYNC.read_text())
    assert found == 1
    copy.write_text(text)
    runner = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c",
         f'mount --bind {fake} /usr/bin/rsync && exec /usr/bin/python3 -c "$0" {gate.gate} {copy} {gate.home} {UID}', RUNNER],
        input="".join(json.dumps(c) + "\n" for c in commands), capture_output=True, text=True, timeout=300)
    lines = runner.stdout.splitlines()
    assert len(lines) == len(commands), runner.stderr[-2000:]
    return [json.loads(line) for line in lines]


PATH_OPTIONS = r"--(backup|partial|temp)-dir|-dest|--log-file|--files-from"
FORCED = ("--drop-D", "--confine-root=", "--chmod=ug-s", "--ignore-existing", "--fake-super", "--timeout=")  # the gate has a time of its own


def handed_on(output):
    """The options that reach rsync, each as one word, without those that either gate adds."""
    words, found = output.split("\0"), []
    for word in words[: words.index("--")]:
        if word.startswith("-"):
            found.append(word)
        else:
            found[-1] += "=" + word
    return [word for word in found if not word.startswith(FORCED)]


def prepare(gate):
    for name in ("sub/f", "file", "list", "sub2/g"):
        gate.own(gate.home / name, "x")
    gate.own(gate.home / "s p" / "f")
    for name, target in (("link-in", "sub"), ("link-out", gate.outside), ("dangling", "nowhere")):
        os.symlink(target, gate.home / name)
        os.lchown(gate.home / name, UID, UID)
    os.mkfifo(gate.home / "fifo")
    os.chown(gate.home / "fifo", UID, UID)


def test_accepts_and_refuses_what_rrsync_does(gate):
    prepare(gate)
    commands = [*option_commands(), *letter_commands(), *path_commands(), *(([], line) for line in SYNTAX)]
    commands += [(["-ro"], f"rsync --server -r . x"), (["-wo"], "rsync --server --sender -r . sub"),
                 (["-ro"], "rsync --server --sender -r --remove-source-files . sub"),
                 (["-wo"], "rsync --server -r --files-from=list . x"), (["-wo"], "rsync --server -r --files-from=- . x")]
    commands = [(mode, command.replace("{DIR}", str(gate.home))) for mode, command in commands]
    assert len(commands) > 1000
    used, wrong = set(), []
    for (mode, command), (theirs, ours) in zip(commands, answers(gate, commands)):
        they, we = theirs[0] == 0, ours[0] == 0
        text = " ".join([*mode, command]) + "\n" + ("" if they else theirs[1])
        assert ours[0] in (0, 1), (text, ours)
        assert we or ours[1].startswith("subuid-rrsync: "), (text, ours)
        if they and we and not re.search(PATH_OPTIONS, command):
            assert handed_on(theirs[1]) == handed_on(ours[1]), text
        if they == we:
            continue
        for rule in DIFFERENCES:
            if re.search(rule[0], text) and (they, we) == rule[1:3]:
                used.add(rule)
                break
        else:
            wrong.append(f"{' '.join([*mode, command])!r}: rrsync {'accepts' if they else 'refuses'}: {(theirs if we else ours)[1].strip()[:120]!r}")
    assert not wrong, f"{len(wrong)} of {len(commands)}\n" + "\n".join(wrong)
    assert not [rule for rule in DIFFERENCES if rule not in used]
