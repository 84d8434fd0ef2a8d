# SPDX-License-Identifier: ISC
"""`subuid metrics`: for Prometheus' own tools, for its owner alone, into a file that others may be after, and of any size."""

import os
import pwd
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from conftest import ROOT, call, run, wait_until
from test_lists import imported, room  # noqa: F401: a fixture
from test_runs import logged, push  # noqa: F401: a fixture

RULES = Path("/usr/share/subuidd/prometheus/alerts.yml")
ACCOUNT = {"last_good_backup_timestamp_seconds", "last_run_timestamp_seconds", "last_run_ok", "last_run_status", "silent",
           "alarm_seconds", "quota_bytes", "used_bytes", "quota_files", "used_files", "keys", "usable", "created_timestamp_seconds"}
NAMES = {"subuid_up", "subuid_build_info", "subuid_accounts", "subuid_owner_limit", "subuid_owner_used", "subuid_range_ids",
         "subuid_pool_ids_total", "subuid_pool_ids_free", "subuid_refusals_total", "subuid_logins_total",
         "subuid_metrics_timestamp_seconds"} | {f"subuid_account_{name}" for name in ACCOUNT}


@pytest.fixture(scope="module")
def promtool():
    found = shutil.which("promtool", path="/usr/local/bin:/usr/bin")
    assert found, "promtool is missing: it is in Debian's package prometheus, of which `make deps` takes it alone"
    return lambda *words, **more: run(found, *words, check=False, **more)


def samples(text):
    """{(name, labels): value}, as the parser of OpenMetrics reads it, which allows nothing that the standard does not."""
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


def value(text, name, **labels):
    return samples(text)[(name, tuple(sorted(labels.items())))]


def metrics(host, *words, user=None):
    return host.subuid("metrics", *words, user=user).stdout


def test_both_readers_take_it(host, promtool, push, tmp_path):  # noqa: F811
    owner = push.name.split("+")[0]
    host.subuid("set", "web1", "--alarm", "3d", "--quota", "1G", user=owner)
    host.subuid("range", "add", "1", user=owner)
    assert push().returncode == 0
    logged(host, push.name, 1)
    label = {"owner": owner, "account": "web1"}
    wait_until(lambda: host.subuid_json("show", push.name)["account"].get("usedBytes", 0) > 300_000, "it is counted")
    text = metrics(host)
    checked = promtool("check", "metrics", input=text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert promtool("check", "metrics", input=text.replace("} ", "} x", 1)).returncode != 0  # the control
    assert {name for name, _ in samples(text)} == NAMES
    assert text.endswith("# EOF\n") and set(re.findall(r"^# UNIT \S+_(\S+) (\S+)$", text, re.M)) == {
        ("seconds", "seconds"), ("bytes", "bytes")}
    assert value(text, "subuid_up") == value(text, "subuid_build_info", version=call("io.subuidd.Accounts.Status")["parameters"]["version"]) == 1
    shown = host.subuid_json("show", push.name)["account"]
    for name, member in (("last_good_backup_timestamp_seconds", "lastGood"), ("last_run_timestamp_seconds", "lastRun"),
                         ("last_run_status", "lastStatus"), ("alarm_seconds", "alarm"), ("quota_bytes", "quota"),
                         ("used_bytes", "usedBytes"), ("quota_files", "filesLimit"), ("used_files", "usedFiles"),
                         ("keys", "keys"), ("created_timestamp_seconds", "created")):
        assert value(text, f"subuid_account_{name}", **label) == shown[member], name
    assert value(text, "subuid_account_last_run_ok", **label) == 1 and value(text, "subuid_account_silent", **label) == 0
    assert value(text, "subuid_accounts", owner=owner, state="active") == 1
    assert value(text, "subuid_owner_used", owner=owner, what="ranges") == 1
    assert value(text, "subuid_range_ids", owner=owner) == 65536
    assert value(text, "subuid_owner_limit", owner=owner, what="accounts") == 10000
    assert 0 < value(text, "subuid_pool_ids_free", pool="accounts") < value(text, "subuid_pool_ids_total", pool="accounts")
    assert abs(value(text, "subuid_metrics_timestamp_seconds") - time.time()) < 60
    assert value(text, "subuid_account_usable", **label) == 1
    host.subuid("lock", push.name)
    locked = metrics(host)
    assert value(locked, "subuid_account_usable", **label) == 0 and value(locked, "subuid_account_keys", **label) == 1


def test_what_is_used_is_what_the_files_take(host, push):  # noqa: F811
    owner = push.name.split("+")[0]
    (push.source / "large").write_bytes(os.urandom(3 << 20))
    host.subuid("set", "web1", "--quota", "1G", user=owner)
    assert push().returncode == 0

    def used():
        return host.subuid_json("show", push.name)["account"].get("usedBytes", 0)

    taken = int(run("du", "-s", "-B1", f"/srv/subuid/{owner}/web1/home").stdout.split()[0])
    wait_until(lambda: abs(used() - taken) <= 65536, "it is counted")
    host.subuid("set", "web1", "--quota", "none", "--files", "none", user=owner)
    assert "usedBytes" not in host.subuid_json("show", push.name)["account"]


def test_logins_and_refusals_are_counted(host, push):  # noqa: F811
    owner = push.name.split("+")[0]
    before, others = metrics(host), metrics(host, user=host.new_user())
    assert push().returncode == 0
    assert host.ssh(push.key, push.name, "echo", "no", "such").returncode is not None
    assert host.ssh(push.key, push.name, "cat", "/etc/passwd").returncode != 0
    assert host.subuid("show", "nobody-has-this", user=owner, check=False).returncode == 3
    wait_until(lambda: len(host.subuid_json("log", push.name)) == 3, "they are recorded")
    after = metrics(host)
    for result in ("good", "refused"):
        assert value(after, "subuid_logins_total", result=result) > value(before, "subuid_logins_total", result=result), result
    assert value(after, "subuid_refusals_total", error="NotFound") > value(before, "subuid_refusals_total", error="NotFound")
    own = metrics(host, user=owner)
    assert value(own, "subuid_logins_total", result="good") == 1
    assert value(own, "subuid_logins_total", result="denied") == 0
    host.subuid("freeze", "web1", user=owner)
    for count in (1, 2):
        assert push().returncode != 0
        for text, who in ((metrics(host, user=owner), owner), (metrics(host), "all")):
            more = 0 if who == owner else value(before, "subuid_logins_total", result="denied")
            assert value(text, "subuid_logins_total", result="denied") == count + more, who
    assert value(others, "subuid_logins_total", result="good") == 0
    assert value(others, "subuid_logins_total", result="denied") == 0


def test_an_owner_sees_their_own(host, push):  # noqa: F811
    owner, other = push.name.split("+")[0], host.new_user()
    host.subuid("add", "web1", user=other)
    for words in ((), ("web1",)):
        text = metrics(host, *words, user=owner)
        assert f'owner="{owner}"' in text and other not in text, words
    for name in ("subuid_pool_ids_free", "subuid_refusals_total"):
        assert name not in text
    for words in (("--all",), ("--owner", other), (f"{other}+web1",)):
        refused = host.subuid("metrics", *words, user=owner, check=False)
        assert (refused.returncode, refused.stdout) == (5, ""), words
    everything = metrics(host)
    assert f'owner="{owner}"' in everything and f'owner="{other}"' in everything  # the control
    assert 'account="' not in metrics(host, "--no-accounts") and f'owner="{owner}"' in metrics(host, "--no-accounts")


def test_an_administrator_has_all(host, push):  # noqa: F811
    admin, settings = host.new_user(), Path("/etc/subuidd.conf.d/metrics-admin.conf")
    run("groupadd", "-f", "metricsadmin")
    run("gpasswd", "-a", admin, "metricsadmin")
    refused = host.subuid("metrics", "--all", user=admin, check=False)
    assert refused.returncode == 5  # the control
    settings.write_text("[access]\nadmin_group = metricsadmin\n")
    host.restart_daemon()
    try:
        text = metrics(host, "--all", user=admin)
    finally:
        settings.unlink()
        host.restart_daemon()
    assert value(text, "subuid_owner_limit", owner=push.owner, what="accounts") == 10000
    assert value(text, "subuid_pool_ids_free", pool="ranges") > 0 and f'owner="{push.owner}",account="web1"' in text


def test_a_daemon_that_is_away_is_a_metric(host, promtool, tmp_path):
    file = tmp_path / "subuid.prom"
    host.stop_daemon()
    try:
        result = host.subuid("metrics", "--textfile", file, check=False)
    finally:
        host.start_daemon()
    assert result.returncode == 7 and value(file.read_text(), "subuid_up") == 0
    assert promtool("check", "metrics", input=file.read_text()).returncode == 0
    host.subuid("metrics", "--textfile", file)
    assert value(file.read_text(), "subuid_up") == 1


def test_the_file_follows_no_link(host, tmp_path):
    """The directory is the collector's: root writes there what it wants, and nowhere else."""
    collector = host.new_user()
    entry = pwd.getpwnam(collector)
    directory, prey = tmp_path / "collector", tmp_path / "prey"
    directory.mkdir()
    os.chown(directory, entry.pw_uid, entry.pw_gid)
    prey.write_text("precious")
    file = directory / "subuid.prom"
    file.symlink_to(prey)
    host.subuid("metrics", "--textfile", file)
    assert prey.read_text() == "precious"
    assert file.is_file() and not file.is_symlink() and file.stat().st_mode & 0o7777 == 0o644 and file.stat().st_uid == 0
    assert [path.name for path in directory.iterdir()] == ["subuid.prom"]
    (tmp_path / "by").symlink_to(directory)
    before = file.stat()
    refused = host.subuid("metrics", "--textfile", tmp_path / "by/subuid.prom", check=False)
    assert refused.returncode == 1 and "symbolic link" in refused.stderr
    assert file.stat().st_ino == before.st_ino
    # one that cannot be replaced is left alone, with nothing beside it
    (directory / "taken.prom").mkdir()
    assert host.subuid("metrics", "--textfile", directory / "taken.prom", check=False).returncode == 1
    assert sorted(path.name for path in directory.iterdir()) == ["subuid.prom", "taken.prom"]


def test_a_reader_finds_a_whole_file(host, tmp_path):
    file = tmp_path / "subuid.prom"
    host.subuid("metrics", "--textfile", file)
    writer = subprocess.Popen(["sh", "-c", f"for i in $(seq 30); do subuid metrics --textfile {file} || exit 1; done"])
    rounds = 0
    while writer.poll() is None:
        assert file.read_text().endswith("# EOF\n")
        rounds += 1
    assert writer.returncode == 0 and rounds > 30


def peak(host):
    """Of the command, in KiB."""
    result = run("/usr/bin/python3", "-c", "import resource, subprocess as s; s.run(['subuid', 'metrics', '--textfile', "
                 "'/tmp/metrics.prom'], check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    return int(result.stdout)


def test_memory_does_not_grow_with_accounts(host, tmp_path):
    owners = [host.new_user() for _ in range(3)]
    imported(host, tmp_path, owners, 20)
    few = peak(host)
    imported(host, tmp_path, owners, 1500, "m")
    many = peak(host)
    size = os.path.getsize("/tmp/metrics.prom")
    assert size > 1 << 20
    assert many < few + 512, (few, many, size)


def test_the_example_alerts_fire(promtool, tmp_path):
    """Each of them: promtool's own test of rules, on the shipped file."""
    shutil.copy(ROOT / "tests/e2e/alerts_test.yml", tmp_path)
    shutil.copy(RULES, tmp_path / "alerts.yml")
    checked = promtool("check", "rules", "--lint-fatal", tmp_path / "alerts.yml")
    assert checked.returncode == 0, checked
    result = promtool("test", "rules", tmp_path / "alerts_test.yml")
    assert result.returncode == 0, result
    tested = {test["alertname"] for each in yaml.safe_load((tmp_path / "alerts_test.yml").read_text())["tests"]
              for test in each["alert_rule_test"] if test.get("exp_alerts")}
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    assert tested == {rule["alert"] for rule in rules}
    # the rules are of metrics that there are
    for rule in rules:
        assert set(re.findall(r"subuid_\w+", rule["expr"])) <= NAMES, rule
    # the control
    broken = RULES.read_text().replace("== 0", "== 5")
    (tmp_path / "alerts.yml").write_text(broken)
    assert promtool("test", "rules", tmp_path / "alerts_test.yml").returncode != 0
