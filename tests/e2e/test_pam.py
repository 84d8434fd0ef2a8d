# SPDX-License-Identifier: ISC
"""pam_subuid.so in the host's own stack: by pamtester, and by logins that are refused with a reason."""

import subprocess
from pathlib import Path

import pytest

from conftest import run

MODULE = next(Path("/usr/lib").glob("*/security/pam_unix.so")).with_name("pam_subuid.so")


def account(name, service="sshd"):
    result = run("pamtester", service, name, "acct_mgmt", check=False)
    return result.returncode == 0, result.stdout + result.stderr


def test_the_module_exports_its_six_names_and_needs_libc_and_libpam_only(host):
    symbols = run("nm", "-D", "--defined-only", MODULE).stdout.split("\n")
    names = sorted(line.split()[-1] for line in symbols if line)
    assert names == ["pam_sm_acct_mgmt", "pam_sm_authenticate", "pam_sm_chauthtok", "pam_sm_close_session",
                     "pam_sm_open_session", "pam_sm_setcred"]
    needed = [line.split("[")[1].rstrip("]") for line in run("readelf", "-d", MODULE).stdout.splitlines()
              if "(NEEDED)" in line]
    assert set(needed) <= {"libpam.so.0", "libc.so.6"}
    undefined = run("nm", "-D", "--undefined-only", MODULE).stdout
    for forbidden in ("getenv", "secure_getenv", "exit", "printf", "puts", "fork", "system"):
        assert f" {forbidden}@" not in undefined


def test_ordinary_users_are_not_its_business(host):
    owner = host.new_user()
    for service in ("sshd", "su"):
        assert account("root", service)[0]
        assert account(owner, service)[0]


@pytest.mark.parametrize(
    "block, admit, why",
    [
        (["subuid", "lock", "{name}"], ["subuid", "unlock", "{name}"], "the account is locked"),
        (["usermod", "-p", "!x", "{owner}"], ["usermod", "-p", "!", "{owner}"], "owner's account is locked"),
        (["usermod", "-e", "1", "{owner}"], ["usermod", "-e", "", "{owner}"], "owner's account has expired"),
        (["usermod", "-l", "{owner}x", "{owner}"], ["usermod", "-l", "{owner}", "{owner}x"], "no longer exists"),
        (["usermod", "-u", "54321", "{owner}"], None, "another uid"),
        (["userdel", "{owner}"], None, "no longer exists"),
    ],
)
def test_who_is_blocked_is_refused_and_told_why(host, tmp_path, block, admit, why):
    owner, name, key = host.account(tmp_path)
    assert account(name)[0]
    source = tmp_path / "file"
    source.write_text("x")
    host.rsync(key, source, f"{name}@127.0.0.1:")

    subprocess.run([word.format(owner=owner, name=name) for word in block], check=True, capture_output=True)
    admitted, said = account(name)
    assert not admitted and why in said
    pushed = host.rsync(key, source, f"{name}@127.0.0.1:", check=False)
    assert pushed.returncode != 0
    if block[0] != "subuid":  # of a locked account sshd does not even get the key
        options = ["LogLevel=INFO" if word == "LogLevel=ERROR" else word for word in host.ssh_options(key)]
        assert why in run("ssh", *options, f"{name}@127.0.0.1", "x", check=False).stderr
        assert f"Access denied for user {name} by PAM account configuration" in host.sshd_log()

    if admit is not None:
        subprocess.run([word.format(owner=owner, name=name) for word in admit], check=True, capture_output=True)
        assert account(name)[0]
        host.rsync(key, source, f"{name}@127.0.0.1:")
    else:  # `subuid check --all` of later tests finds nothing of this
        host.subuid("remove", "--purge", name)


def test_sub_accounts_may_use_sshd_only(host, tmp_path):
    _, name, _ = host.account(tmp_path)
    for service in ("su", "login", "other"):
        admitted, said = account(name, service)
        assert not admitted and "may not use this service" in said
    result = run("su", "-s", "/bin/sh", name, "-c", "id", check=False)
    assert result.returncode != 0 and "uid=" not in result.stdout


def with_line(line, check):
    """Runs check() while the module's line in the stack is another one."""
    path = Path("/etc/pam.d/common-account")
    before = path.read_text()
    path.write_text("".join(line + "\n" if "pam_subuid.so" in old else old for old in before.splitlines(True)))
    try:
        assert path.read_text() != before
        return check()
    finally:
        path.write_text(before)


def test_the_services_option_opens_others(host, tmp_path):
    _, name, _ = host.account(tmp_path)
    line = "account required pam_subuid.so services=sshd,login"
    assert with_line(line, lambda: account(name, "login"))[0]
    assert not with_line(line, lambda: account(name, "su"))[0]


def test_an_unknown_option_refuses_sub_accounts_and_nobody_else(host, tmp_path):
    _, name, _ = host.account(tmp_path)
    line = "account required pam_subuid.so service=sshd"
    assert not with_line(line, lambda: account(name))[0]
    assert with_line(line, lambda: account("root"))[0]


def test_without_an_index_sub_accounts_are_refused_and_root_is_not(host, tmp_path):
    _, name, _ = host.account(tmp_path)
    index = Path("/var/lib/subuidd/index")
    index.chmod(0o666)  # not trusted any more
    try:
        admitted, said = account(name)
        assert not admitted and "cannot be read" in said
        assert account("root")[0]
    finally:
        index.chmod(0o644)
    assert account(name)[0]
