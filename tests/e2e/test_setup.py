# SPDX-License-Identifier: ISC
"""`subuid setup`: on, off, again, and halfway. Each scenario has an /etc of its own.

The scenario's shell runs in a mount namespace in which /etc is a copy, and /run, /srv and
/var/lib are empty; the switching-on of the host that the other tests use is taken back there first.
"""

import json
import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from conftest import SAMPLE, run, wait_until

WORLD = r"""
set -eu
t=$(mktemp -d /tmp/setup.XXXXXX)
trap 'cd /; umount -l "$t"; rmdir "$t"' EXIT
mount -t tmpfs tmpfs "$t"
cp -a /etc "$t/etc"
mkdir -p "$t/lib/subuidd"
cp -a /var/lib/subuidd/setup /var/lib/subuidd/setup.json "$t/lib/subuidd/"
[ ! -d /var/lib/pam ] || cp -a /var/lib/pam "$t/lib/"
cp -a /usr/share/pam-configs "$t/pam-configs"
mount --bind "$t/etc" /etc
mount --bind "$t/lib" /var/lib
mount --bind "$t/pam-configs" /usr/share/pam-configs
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0755 tmpfs /srv
mkdir "$t/logs"

# Every name with owner, mode and contents. Backups of the shadow tools (passwd-) are theirs.
snapshot() {
	{
		find /etc /var/lib /srv -not -name '*-' -printf '%p %y %m %U %G %l\n'
		find /etc/nsswitch.conf /etc/pam.d /etc/ssh /etc/passwd /etc/group /etc/shadow /etc/gshadow \
			-type f -exec sha256sum {} +
	} | sort
}
# same NAME: nothing differs from snapshot NAME
same() { snapshot > "$t/now"; diff "$t/$1" "$t/now"; }
fails() { if "$@"; then echo "should have failed: $*" >&2; exit 1; fi; }

subuid setup --undo --keep-data > /dev/null
snapshot > "$t/before"
fails grep -q subuid /etc/nsswitch.conf /etc/passwd /etc/group /etc/pam.d/*
"""


@pytest.fixture
def scenario(host):
    def play(script, timeout=300):
        result = run("unshare", "--mount", "--pid", "--fork", "--mount-proc", "bash", "-c", WORLD + script,
                     check=False, timeout=timeout)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    return play


def test_undo_takes_back_exactly_what_setup_did(scenario):
    scenario("""
        subuid setup
        fails same before
        grep -q 'files subuid' /etc/nsswitch.conf
        grep -q pam_subuid.so /etc/pam.d/common-account
        id subuidd; id subuidd-keys; getent group subuids
        test "$(stat -c '%U %a' /srv/subuid)" = 'root 711'
        sshd_before=$(stat -c %a /etc/ssh/sshd_config.d/50-subuidd.conf); test "$sshd_before" = 644
        subuid setup --undo
        same before
        subuid setup --undo | grep 'Nothing to take back'
        subuid setup
        subuid setup --undo
        same before
    """)


def test_dry_runs_change_nothing_and_say_what_they_would(scenario):
    out = scenario("""
        subuid setup --dry-run
        same before
        subuid setup > /dev/null
        snapshot > "$t/on"
        subuid setup --undo --dry-run
        same on
    """)
    assert "+passwd:" in out and "-passwd:" in out
    assert "group subuids: made" in out and "user subuidd: removed" in out


def test_setup_twice_changes_nothing_the_second_time(scenario):
    scenario("""
        subuid setup > /dev/null
        snapshot > "$t/on"
        subuid setup | tee "$t/out"
        grep -q 'nothing had to be changed' "$t/out"
        same on
        subuid setup --undo
        same before
    """)


@pytest.mark.parametrize(
    "change, says",
    [
        ("printf 'Match User *\\n PermitTunnel yes\\nMatch all\\n' > /etc/ssh/sshd_config.d/10-other.conf", "permittunnel"),
        ("printf 'PermitUserEnvironment yes\\n' > /etc/ssh/sshd_config.d/10-other.conf", "PermitUserEnvironment"),
        ("printf 'UsePAM no\\n' > /etc/ssh/sshd_config.d/10-other.conf", "UsePAM"),
        ("sed -i '/^Include/d' /etc/ssh/sshd_config", "Include"),
        ("printf 'Nonsense yes\\n' > /etc/ssh/sshd_config.d/10-other.conf", "Nonsense"),
        ("printf 'Match all\\n' > /etc/ssh/sshd_config.d/50-subuidd.conf", "50-subuidd.conf"),
        ("mv /etc/nsswitch.conf /etc/n; ln -s n /etc/nsswitch.conf", "symbolic link"),
        ("chmod g+w /etc/pam.d/common-account", "others may write"),
        ("sed -i \"s/^shadow:.*/shadow: files $(printf 'x%s ' $(seq 40))/\" /etc/nsswitch.conf", "cannot be understood"),
        ("printf 'passwd: files [NOTFOUND=return\\n' > /etc/nsswitch.conf", "/etc/nsswitch.conf"),
        ("mount -t tmpfs tmpfs /usr/share/subuidd", "sshd.conf"),
        ("ln -s /nonexistent /srv/subuid", "/srv/subuid"),
        ("groupadd -r subuidd; useradd -o -u 0 -g subuidd -M subuidd", "user subuidd"),
    ],
)
def test_a_setup_that_fails_halfway_leaves_the_host_as_it_was(scenario, change, says):
    out = scenario(f"""
        {change}
        snapshot > "$t/changed"
        fails subuid setup
        same changed
    """)
    assert says in out, out


def test_what_was_edited_since_keeps_the_edits(scenario):
    scenario("""
        subuid setup > /dev/null
        sed -i 's/^passwd:.*/& sss # mine/' /etc/nsswitch.conf
        echo '# mine' >> /etc/pam.d/common-account
        echo '# mine' >> /etc/ssh/sshd_config.d/50-subuidd.conf
        cp /etc/ssh/sshd_config.d/50-subuidd.conf "$t/dropin"
        subuid setup --undo
        fails grep subuid /etc/nsswitch.conf /etc/pam.d/common-account
        grep -q 'sss # mine' /etc/nsswitch.conf
        grep -q '# mine' /etc/pam.d/common-account
        fails test -e /etc/ssh/sshd_config.d/50-subuidd.conf
        cmp /etc/ssh/sshd_config.d/50-subuidd.conf.undone "$t/dropin"
        sshd_out=$(mkdir -p /run/sshd; sshd -t 2>&1) || { echo "$sshd_out"; exit 1; }
    """)


def test_what_was_there_before_setup_stays_after_undo(scenario):
    scenario("""
        groupadd -r subuids
        mkdir -m 0711 /srv/subuid
        touch /srv/subuid/data
        snapshot > "$t/given"
        subuid setup > /dev/null
        subuid setup --undo
        same given
    """)


def test_a_setup_killed_anywhere_is_finished_by_setup_and_taken_back_by_undo(scenario):
    # Each call that makes something durable, killed before it is done; in a sample each seventh one.
    step = 7 if SAMPLE else 1
    out = scenario(f"step={step}" + """
        count=0
        for call in renameat linkat unlinkat mkdirat fsync fchmod clone,clone3; do
            for n in $(seq 1 $step 60); do
                rm -f "$t/trace"
                if strace -o "$t/trace" -e trace=$call -e inject=$call:signal=KILL:when=$n \\
                        subuid setup > /dev/null 2> "$t/err"; then
                    subuid setup --undo > /dev/null
                    same before
                    break
                fi
                grep -q 'killed by SIGKILL' "$t/trace" || { cat "$t/err"; exit 1; }
                count=$((count + 1))
                if [ $((n % 2)) = 0 ]; then # finished, then taken back
                    subuid setup > /dev/null
                    grep -q 'files subuid' /etc/nsswitch.conf
                fi
                subuid setup --undo > /dev/null
                # An empty state directory, made in the first instant, is all that may be left.
                rmdir /var/lib/subuidd 2> /dev/null || true
                same before
            done
        done
        echo "points: $count"
    """, timeout=600)
    assert int(out.rsplit("points: ", 1)[1].split()[0]) > 40 // step


def test_ctrl_c_is_answered_between_two_steps(scenario):
    out = scenario("""
        fails strace -o /dev/null -e inject=renameat:signal=INT:when=3 subuid setup
        same before
    """)
    assert "interrupted" in out


def test_a_subid_plug_in_that_was_there_goes_on_being_asked(scenario):
    scenario("""
        : beside a plug-in shadow of Debian 13 deletes nobody as long as these are there
        rm -f /etc/subuid /etc/subgid
        lib=$(dirname "$(find /usr/lib -name libsubid_subuid.so)")
        echo 'subid: other' >> /etc/nsswitch.conf
        snapshot > "$t/given"
        subuid setup | grep 'not installed, which stays'
        grep -qx 'subid: other' /etc/nsswitch.conf
        subuid setup --undo
        same given
        cp "$lib/libsubid_subuid.so" "$lib/libsubid_other.so"
        trap 'rm "$lib/libsubid_other.so"; cd /; umount -l "$t"; rmdir "$t"' EXIT
        subuid setup
        grep -qx 'subid: subuid' /etc/nsswitch.conf
        test "$(cat /var/lib/subuidd/subid-chain)" = other
        subuid setup | grep 'nothing had to be changed'
        subuid setup --undo
        same given
        subuid setup
        echo '# mine' >> /etc/nsswitch.conf
        subuid setup --undo
        grep -qx 'subid: other' /etc/nsswitch.conf
        fails test -e /var/lib/subuidd
    """)


def test_subid_files_that_others_may_write_are_to_be_mended_first(scenario):
    out = scenario("""
        mkdir -p /etc/subuidd.conf.d
        printf '[subid]\\npublish = plugin\\n' > /etc/subuidd.conf.d/local.conf
        subuid setup > /dev/null; subuid setup --undo > /dev/null
        chmod 0664 /etc/subgid
        snapshot > "$t/given"
        fails subuid setup
        same given
        chmod 0644 /etc/subgid
        subuid setup > /dev/null
        grep -q "^subid: *subuid" /etc/nsswitch.conf
    """)
    assert "/etc/subgid: may be written by users other than root" in out


def test_with_publish_files_the_plug_in_is_not_in_nsswitch(scenario):
    scenario("""
        fails grep -q ^subid: /etc/nsswitch.conf
        mkdir -p /etc/subuidd.conf.d
        snapshot > "$t/given"
        printf '[subid]\\npublish = plugin\\n' > /etc/subuidd.conf.d/local.conf
        subuid setup > /dev/null
        grep -q '^subid: *subuid$' /etc/nsswitch.conf
        printf '[subid]\\npublish = files\\n' > /etc/subuidd.conf.d/local.conf
        subuid doctor > "$t/said" || :
        grep 'nsswitch: subid: names our plug-in, while the settings say' "$t/said"
        subuid setup --dry-run | grep 'subid: *subuid'
        grep -q '^subid: *subuid$' /etc/nsswitch.conf
        subuid setup
        fails grep -q ^subid: /etc/nsswitch.conf
        grep -q '^passwd:.*subuid' /etc/nsswitch.conf
        subuid setup | grep 'nothing had to be changed'
        subuid doctor > "$t/said" || :
        grep 'nsswitch: subid: newuidmap reads the files, and we write them' "$t/said"
        fails grep 'useradd, usermod, userdel' "$t/said"
        printf '[subid]\\npublish = both\\n' > /etc/subuidd.conf.d/local.conf
        subuid setup
        grep -q '^subid: *subuid$' /etc/nsswitch.conf
        printf '[subid]\\npublish = files\\n' > /etc/subuidd.conf.d/local.conf
        subuid setup > /dev/null
        rm /etc/subuidd.conf.d/local.conf
        subuid setup --undo
        same given
        : a first setup with that setting never puts it in
        printf '[subid]\\npublish = files\\n' > /etc/subuidd.conf.d/local.conf
        subuid setup > /dev/null
        fails grep -q ^subid: /etc/nsswitch.conf
        : a setting that cannot be read changes nothing
        printf '[subid]\\npublish = nowhere\\n' > /etc/subuidd.conf.d/local.conf
        snapshot > "$t/given"
        fails subuid setup 2> "$t/said"
        grep 'neither plugin, files nor both' "$t/said"
        same given
    """)


def test_with_publish_files_the_plug_in_that_was_there_before_comes_back(scenario):
    scenario("""
        : beside a plug-in shadow of Debian 13 deletes nobody as long as these are there
        rm -f /etc/subuid /etc/subgid
        lib=$(dirname "$(find /usr/lib -name libsubid_subuid.so)")
        cp "$lib/libsubid_subuid.so" "$lib/libsubid_other.so"
        trap 'rm "$lib/libsubid_other.so"; cd /; umount -l "$t"; rmdir "$t"' EXIT
        echo 'subid: other' >> /etc/nsswitch.conf
        mkdir -p /etc/subuidd.conf.d
        snapshot > "$t/given"
        subuid setup > /dev/null
        grep -qx 'subid: subuid' /etc/nsswitch.conf
        printf '[subid]\\npublish = files\\n' > /etc/subuidd.conf.d/local.conf
        subuid setup | grep 'reads no file then'
        grep -qx 'subid: other' /etc/nsswitch.conf
        subuid doctor > "$t/said" || :
        grep 'newuidmap asks other and reads no file' "$t/said"
        rm /etc/subuidd.conf.d/local.conf
        subuid setup --undo > /dev/null
        same given
    """)


FAKE_SHADOW = """
        printf '#!/bin/sh\\necho 1:%s\\n' "$version" > "$t/dpkg-query"
        chmod 755 "$t/dpkg-query"
        mount --bind "$t/dpkg-query" /usr/bin/dpkg-query
        touch /etc/subuid /etc/subgid
        snapshot > "$t/given"
"""


def test_where_a_plug_in_would_break_useradd_the_files_are_chosen(scenario):
    """shadow since 4.14 (Debian 13): useradd and userdel fail while subid names a plug-in and a file is there."""
    out = scenario("version=4.17.4-2" + FAKE_SHADOW + """
        subuid setup --dry-run > "$t/said"
        grep '20-subid.conf: made' "$t/said"
        fails grep '+subid' "$t/said"
        same given
        subuid setup
        fails grep -q ^subid: /etc/nsswitch.conf
        test "$(subuidd --setting publish)" = files
        subuid setup | grep 'nothing had to be changed'
        subuid doctor > "$t/said" || :
        grep 'newuidmap reads the files' "$t/said"
        : the administrator wants the plug-in, and is told what that means
        printf '[subid]\\npublish = plugin\\n' > /etc/subuidd.conf.d/local.conf
        subuid setup > "$t/said"
        grep 'useradd and userdel fail' "$t/said"
        grep -q '^subid: *subuid$' /etc/nsswitch.conf
        subuid doctor > "$t/said" || :
        grep '✗ useradd, usermod, userdel: useradd and userdel fail' "$t/said"
        rm /etc/subuid /etc/subgid
        subuid doctor > "$t/said" || :
        fails grep 'useradd, usermod, userdel' "$t/said"
        touch /etc/subuid /etc/subgid
        rm /etc/subuidd.conf.d/local.conf
        subuid setup --undo
        same given
        : without the files nothing fails, so that the plug-in it is
        rm /etc/subuid /etc/subgid
        subuid setup > "$t/said"
        grep -q '^subid: *subuid$' /etc/nsswitch.conf
        fails grep -e 20-subid.conf -e 'userdel fail' "$t/said"
    """)
    assert "SIGHUP" not in out  # no daemon runs that could be told


def test_where_a_plug_in_would_silence_usermod_the_files_are_chosen_at_first(scenario):
    """shadow before 4.14 (Debian 12). A host on which our plug-in is at work keeps it, and doctor says who does not see it."""
    scenario("version=4.13+dfsg1-1" + FAKE_SHADOW + """
        subuid setup > "$t/said"
        grep '20-subid.conf: made' "$t/said"
        fails grep 'useradd, usermod, userdel' "$t/said"
        fails grep -q ^subid: /etc/nsswitch.conf
        test "$(subuidd --setting publish)" = files
        subuid setup | grep 'nothing had to be changed'
        subuid doctor > "$t/said" || :
        grep 'newuidmap reads the files' "$t/said"
        fails grep 'programs that read /etc/subuid' "$t/said"
        : a choice of the administrator, and then none: ours is at work
        printf '[subid]\\npublish = plugin\\n' > /etc/subuidd.conf.d/local.conf
        subuid setup > /dev/null
        rm /etc/subuidd.conf.d/*
        grep -q '^subid: *subuid$' /etc/nsswitch.conf
        subuid setup | grep 'nothing had to be changed'
        test "$(subuidd --setting publish)" = plugin
        subuid doctor > "$t/said" || :
        grep 'programs that read /etc/subuid: unshare --map-auto, mmdebstrap, the buildah of Debian 12, apptainer and rootlesskit find none' "$t/said"
        subuid setup --undo
        same given
    """)


def test_what_shadows_tools_do_beside_a_plug_in_is_said_as_it_is(scenario):
    version = run("dpkg-query", "-W", "-f", "${Version}", "passwd").stdout.split(":")[-1]
    fails = tuple(map(int, re.findall(r"\d+", version)[:2])) >= (4, 14)
    what = "useradd and userdel fail" if fails else "useradd gives no subordinate ids"
    todo = "publish = files" if fails else "subuid range add --owner"
    does = """
        fails useradd after
        fails userdel before
    """ if fails else """
        useradd after
        usermod --add-subuids 700000000-700000009 after
        userdel before
    """
    scenario(f"version={version}" + FAKE_SHADOW + f"""
        : > /etc/subuid; : > /etc/subgid
        useradd before
        grep -q ^before: /etc/subuid
        mkdir -p /etc/subuidd.conf.d
        printf '[subid]\\npublish = plugin\\n' > /etc/subuidd.conf.d/local.conf
        subuid setup > "$t/said"
        grep '{what}' "$t/said"
        grep '{todo}' "$t/said"
        subuid doctor > "$t/said" || :
        grep '[·✗] useradd, usermod, userdel: {what}' "$t/said"
        : and so it is
        cp /etc/subuid "$t/subuid"
        {does}
        cmp /etc/subuid "$t/subuid"
        subuid setup --undo > /dev/null
        useradd later
        usermod --add-subuids 700000000-700000009 later
        grep -qx later:700000000:10 /etc/subuid
    """)


def test_pam_auth_update_keeps_our_line(scenario):
    scenario("""
        printf 'Name: test\\nDefault: yes\\nPriority: 0\\nAccount-Type: Additional\\nAccount:\\n\\toptional pam_debug.so\\n' \\
            > /usr/share/pam-configs/test
        subuid setup > /dev/null
        DEBIAN_FRONTEND=noninteractive pam-auth-update --package
        grep -q pam_debug.so /etc/pam.d/common-account
        awk '/^account/ { print $NF; exit }' /etc/pam.d/common-account | grep -qx pam_subuid.so
        subuid setup | grep -q 'nothing had to be changed'
    """)


def test_only_one_setup_runs_at_a_time(scenario):
    out = scenario("""
        subuid setup > /dev/null
        exec 9< /var/lib/subuidd/setup
        flock 9
        fails subuid setup
        fails subuid setup --undo
    """)
    assert "another subuid setup is running" in out


def test_undo_refuses_while_there_are_accounts(host, tmp_path):
    host.account(tmp_path)
    before = open("/etc/nsswitch.conf").read()
    result = host.subuid("setup", "--undo", check=False)
    assert result.returncode == 4
    assert "--keep-data" in result.stderr
    assert open("/etc/nsswitch.conf").read() == before
    result = host.subuid("setup", "--undo", "--keep-data", check=False)  # the daemon runs, and is not systemd's
    assert result.returncode == 4
    assert "stop it first" in result.stderr
    assert open("/etc/nsswitch.conf").read() == before


@pytest.mark.parametrize("publish", ["files", "both"])
def test_undo_takes_the_daemons_lines_out_of_the_subid_files(host, publish):
    """Nobody keeps them true on a host that is switched off. Others' lines stay, equal ids or not."""
    owner = host.new_user()
    files = [Path("/etc/subuid"), Path("/etc/subgid")]
    record = Path("/var/lib/subuidd/subid-lines")
    setting = Path("/etc/subuidd.conf.d/local.conf")
    adopted = {"files": 16700000, "both": 16800000}[publish]  # a tombstone for good
    setting.parent.mkdir(exist_ok=True)
    setting.write_text("[subid]\npublish = plugin\n")  # Debian 13: setup has chosen the files, and there are lines of ours
    host.restart_daemon()
    wait_until(lambda: not record.exists() or record.read_text() == "", "none is there any more")
    before = [file.read_text() for file in files]
    setting.write_text(f"[subid]\npublish = {publish}\n")
    try:
        for file in files:
            # the first as useradd writes it: adopted it is ours as well, and was the user's before us
            file.write_text(f"{owner}:{adopted}:65536\n" + file.read_text() + f"{owner}:1879000000:1\n# a word\n")
        others = [file.read_text() for file in files]
        host.restart_daemon()
        host.subuid("add", "web1", user=owner)
        assert f'"first": {adopted}' in host.subuid("adopt", "--owner", owner, "--json", check=False).stdout
        first = host.subuid_json("range", "add", "65536", user=owner)["first"]
        line = f"{owner}:{first}:65536\n"
        assert f"{owner}:{adopted}:65536\n" in record.read_text()
        with_lines = [file.read_text() for file in files]
        assert all(line in text for text in with_lines)

        undo = ("setup", "--undo", "--keep-data")
        out = host.subuid(*undo, "--dry-run").stdout
        assert "(dry run) /etc/subuid, /etc/subgid: the lines that subuidd kept there are taken out" in out
        assert [file.read_text() for file in files] == with_lines
        result = run("/usr/sbin/subuidd", "--withdraw", check=False)  # not beside a daemon, which would write them again
        assert result.returncode == 1 and "another subuidd is running" in result.stderr
        assert [file.read_text() for file in files] == with_lines
        host.stop_daemon()

        # What fails there is said and can be mended: undo is run again although all else is taken back.
        record.chmod(0o666)
        result = host.subuid(*undo, check=False)
        assert result.returncode == 1 and "not a plain file of root's" in result.stderr, result
        record.chmod(0o600)
        Path("/etc/subuid.lock").write_text(f"{os.getpid()}\0")
        result = host.subuid(*undo, check=False)
        assert result.returncode == 1 and "another program holds the lock" in result.stderr, result
        assert [file.read_text() for file in files] == with_lines
        Path("/etc/subuid.lock").unlink()
        setting.write_text("nonsense")  # settings that are wrong keep nobody from switching off
        out = host.subuid(*undo).stdout
        assert "/etc/subuid, /etc/subgid: the lines that subuidd kept there are taken out" in out
        # The line that was equal to one of ours may have changed places with the new range (subid/order.c).
        assert [sorted(file.read_text().splitlines()) for file in files] == [sorted(text.splitlines()) for text in others]
        assert not record.exists()
        assert "Nothing to take back" in host.subuid(*undo).stdout
        assert run("/usr/sbin/subuidd", "--withdraw").returncode == 0

        setting.write_text(f"[subid]\npublish = {publish}\n")
        host.subuid("setup")
        host.start_daemon()
        wait_until(lambda: all(line in file.read_text() for file in files), "the daemon writes them again")
        assert [sorted(f.read_text().splitlines()) for f in files] == [
            sorted(text.splitlines()) for text in with_lines]
    finally:
        Path("/etc/subuid.lock").unlink(missing_ok=True)
        setting.unlink()
        host.subuid("setup")
        if host.daemon is not None:
            host.stop_daemon()
        run("/usr/sbin/subuidd", "--withdraw")
        for file, text in zip(files, before):
            file.write_text(text)
        host.start_daemon()


def test_setup_and_doctor_are_roots(host):
    owner = host.new_user()
    for command in (["setup"], ["setup", "--undo"], ["setup", "--dry-run"], ["doctor"]):
        result = host.subuid(*command, user=owner, check=False)
        assert result.returncode == 5, result
        assert "only root" in result.stderr
    assert host.subuid("setup", "--nonsense", check=False).returncode == 2
    assert host.subuid("setup", "--keep-data", check=False).returncode == 2


# ---- doctor


def findings(host):
    result = host.subuid("doctor", "--json", check=False)
    report = json.loads(result.stdout)
    assert report["ok"] == (result.returncode == 0)
    assert result.returncode in (0, 1)
    return {entry["check"]: entry for entry in report["checks"] if entry["result"] == "bad"}


def test_doctor_finds_a_live_host_well(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    assert findings(host) == {}
    text = host.subuid("doctor").stdout
    assert "✓ daemon: answers" in text and "✗" not in text
    ascii_text = run("/usr/bin/subuid", "doctor", env={"LANG": "C", "LC_ALL": "C"}).stdout
    assert ascii_text.isascii() and "ok   daemon: answers" in ascii_text


@pytest.mark.parametrize(
    "break_it, mend_it, check",
    [
        ("chmod 0666 /var/lib/subuidd/index", "chmod 0644 /var/lib/subuidd/index", "/var/lib/subuidd/index"),
        ("chmod 0644 /var/lib/subuidd/keys", "chmod 0640 /var/lib/subuidd/keys", "/var/lib/subuidd/keys"),
        ("chmod 0755 /srv/subuid", "chmod 0711 /srv/subuid", "/srv/subuid"),
        ("cp -a /etc/nsswitch.conf /run/n; sed -i 's/ subuid//' /etc/nsswitch.conf", "cp -a /run/n /etc/nsswitch.conf",
         "nsswitch"),
        ("cp -a /etc/pam.d/common-account /run/c; sed -i /pam_subuid/d /etc/pam.d/common-account",
         "cp -a /run/c /etc/pam.d/common-account", "PAM: sshd"),
        ("cp -a /etc/pam.d/sshd /run/p; sed -i '1i account sufficient pam_permit.so' /etc/pam.d/sshd",
         "cp -a /run/p /etc/pam.d/sshd", "PAM: sshd"),
        ("mv /etc/ssh/sshd_config.d/50-subuidd.conf /run/d", "mv /run/d /etc/ssh/sshd_config.d/50-subuidd.conf",
         "sshd: sub-accounts"),
        ("echo PermitUserEnvironment yes > /etc/ssh/sshd_config.d/10-x.conf", "rm /etc/ssh/sshd_config.d/10-x.conf",
         "sshd: sub-accounts"),
        ("echo AllowGroups staff > /etc/ssh/sshd_config.d/10-x.conf", "rm /etc/ssh/sshd_config.d/10-x.conf",
         "sshd: who may log in"),
        ("chmod g+w /usr/libexec/subuidd/login", "chmod g-w /usr/libexec/subuidd/login", "programs"),
        ("mv /usr/bin/rsync /usr/bin/rsync.away", "mv /usr/bin/rsync.away /usr/bin/rsync", "rsync"),
        ("gpasswd -a nobody subuids", "gpasswd -d nobody subuids", "system users"),
    ],
)
def test_doctor_finds_what_is_broken(host, tmp_path, break_it, mend_it, check):
    subprocess.run(["bash", "-c", break_it], check=True, capture_output=True)
    try:
        assert check in findings(host)
    finally:
        subprocess.run(["bash", "-c", mend_it], check=True, capture_output=True)
    assert check not in findings(host)


def test_doctor_finds_ids_that_a_file_gives_to_somebody_else(host, tmp_path):
    owner, name, _ = host.account(tmp_path)
    uid = pwd.getpwnam(name).pw_uid
    before = open("/etc/subuid").read() if os.path.exists("/etc/subuid") else ""
    try:
        with open("/etc/subuid", "a") as file:
            file.write(f"mallory:{uid}:1\n")
        assert "/etc/subuid" in findings(host)
    finally:
        with open("/etc/subuid", "w") as file:
            file.write(before)


def test_doctor_tells_of_lines_of_a_name_that_is_nobodys(host):
    def told():
        report = json.loads(host.subuid("doctor", "--json", check=False).stdout)
        return [e for e in report["checks"] if e["check"] == "/etc/subuid" and "a name that no user has" in e.get("found", str(e))]

    before = open("/etc/subuid").read() if os.path.exists("/etc/subuid") else ""
    user = host.new_user()
    try:
        with open("/etc/subuid", "w") as file:
            file.write(f"{user}:100000:10\n{pwd.getpwnam(user).pw_uid}:100010:10\n")
        assert not told()
        with open("/etc/subuid", "a") as file:
            file.write("longgone:100020:10\n")
        assert told()
    finally:
        with open("/etc/subuid", "w") as file:
            file.write(before)


def test_doctor_leaves_nothing_behind(host):
    before = sorted(os.listdir("/srv/subuid")), open("/proc/self/mounts").read()
    host.subuid("doctor")
    assert (sorted(os.listdir("/srv/subuid")), open("/proc/self/mounts").read()) == before


SYSTEMCTL = r"""
mkdir -p /run/systemd/system "$t/units"
cat > "$t/systemctl" <<END
#!/bin/bash
# enough of it: what is enabled is a file of \$0's directory
case "\$*" in
	is-*) [ -e "$t/units/\${*: -1}" ] ;;
	"enable --now "*) shift 2; cd "$t/units"; touch "\$@" ;;
	"disable --now "*) shift 2; cd "$t/units"; rm "\$@" ;;
esac
END
chmod 0755 "$t/systemctl"
mount --bind "$t/systemctl" "$(readlink -f /usr/bin/systemctl)"
collector=/var/lib/prometheus/node-exporter
timer="$t/units/subuidd-metrics.timer"
snapshot > "$t/before"
"""


def test_metrics_are_switched_on_where_they_are_collected_or_asked_for(scenario):
    out = scenario(SYSTEMCTL + """
        subuid setup
        test -e "$t/units/subuidd-save.timer" # the control
        fails test -e "$timer"
        subuid setup --metrics --dry-run | grep 'subuidd-metrics.timer: enabled'
        fails test -e $collector
        subuid setup --metrics
        test -e "$timer"; test "$(stat -c '%U %a' $collector)" = 'root 755'
        subuid setup --metrics | grep 'nothing had to be changed'
        touch $collector/subuid.prom
        fails subuid setup --undo --metrics
        subuid setup --undo
        fails test -e "$timer"
        same before
        # the collector's own directory stays
        mkdir -p $collector
        touch $collector/other.prom
        snapshot > "$t/collected"
        subuid setup
        test -e "$timer"
        touch $collector/subuid.prom
        subuid setup --undo
        same collected
    """)
    assert "subuidd-metrics.timer: stopped and disabled" in out
