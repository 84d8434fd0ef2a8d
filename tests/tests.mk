# SPDX-License-Identifier: ISC
# Tests, lint, fuzzers and benchmarks. Included by the project's Makefile.
#
# tests/unit/test_NAME.c   cmocka, no root:        NAME_OBJS, NAME_LIBS, UNIT += NAME
# the same, needing root:                          UNIT_ROOT += NAME (run inside `unshare -m`)
# tests/fuzz/fuzz_NAME.c   libFuzzer harness:      fuzz_NAME_OBJS, fuzz_NAME_LIBS, FUZZ += NAME

UNIT =
UNIT_ROOT =
FUZZ =

# account: names, ids, failures, roles, keys
name_OBJS      = account/name
id_OBJS        = account/id
failure_OBJS   = account/failure account/role account/shell account/name account/id
key_OBJS       = account/key account/key_blob account/key_from account/name account/id account/fingerprint
key_LIBS       = -lmd
UNIT          += name id failure key
fuzz_name_OBJS = account/name
fuzz_key_OBJS  = account/key account/key_blob account/key_from account/name account/id account/fingerprint
fuzz_key_LIBS  = -lmd
FUZZ          += name key

# varlink: the wire, both ends
stream_OBJS       = varlink/stream
stream_LIBS       = -ljansson -Wl,--wrap=poll
varlink_OBJS      = varlink/stream varlink/server varlink/service varlink/client varlink/scan
varlink_LIBS      = -ljansson
UNIT             += stream varlink
long_list_OBJS    = varlink/scan varlink/text cli/print account/name account/id
long_list_LIBS    = -ljansson
UNIT             += long_list
fuzz_varlink_OBJS = varlink/stream varlink/server varlink/service
fuzz_varlink_LIBS = -ljansson
FUZZ             += varlink

# wire, worker, subuid
wire_OBJS      = $(WIRE) $(ACCOUNT)
options_OBJS   = cli/options cli/duration account/date account/name
fields_OBJS    = $(RECORDS)
copy_OBJS      = cli/copy cli/stored confine/path
worker_parse_OBJS = worker/parse worker/record_json varlink/text worker/field $(WIRE) $(ACCOUNT) worker/password
worker_parse_LIBS = -ljansson -lcrypt
worker_OBJS    = $(filter-out worker/worker confine/%,$(WORKER)) varlink/client varlink/scan
worker_LIBS    = -ljansson -lcrypt
UNIT          += fields copy wire options worker_parse worker
worker_sealed_OBJS = varlink/stream varlink/client varlink/scan
worker_sealed_LIBS = -ljansson -lseccomp -lcrypt
UNIT_ROOT     += worker_sealed
fuzz_worker_parse_OBJS = $(worker_parse_OBJS) varlink/stream
fuzz_worker_parse_LIBS = -ljansson -lcrypt
fuzz_record_OBJS = worker/record_json worker/field varlink/text $(RECORDS)
fuzz_record_LIBS = -ljansson -lcrypt
FUZZ          += worker_parse record
$(BUILD)/tests/test_worker_sealed: | $(B)/worker

# path, home
path_OBJS      = confine/path
UNIT          += path
root_unmapped_OBJS =
UNIT          += root_unmapped
HOME_OBJS      = tests/unit/home_fixture home/home home/make home/look home/view home/acl \
                 home/quota home/quota_disk home/quota_btrfs home/ids home/count home/tree_count home/link home/link_result home/link_forker home/purge home/mounts home/mount_look home/subvolumes home/tree home/sessions home/session_find home/freeze home/stopped home/groups home/walk \
                 home/link_mend home/rename home/link_look home/mend home/leftover \
                 confine/child confine/harden confine/identity confine/path confine/view confine/user_namespace \
                 $(PASSWD) account/name account/id account/fields
home_OBJS      = $(HOME_OBJS)
home_LIBS      = -lcap-ng -lbtrfsutil -lacl
home_link_OBJS = $(HOME_OBJS)
home_link_LIBS = $(home_LIBS)
home_purge_OBJS = $(HOME_OBJS)
home_purge_LIBS = $(home_LIBS) -Wl,--wrap=btrfs_util_delete_subvolume_fd
home_walk_OBJS = $(HOME_OBJS)
home_walk_LIBS = $(home_LIBS)
home_mend_OBJS = $(HOME_OBJS)
home_mend_LIBS = $(home_LIBS)
home_rename_OBJS = $(HOME_OBJS)
home_rename_LIBS = $(home_LIBS)
projects_OBJS  = subuidd/ids/projects
UNIT          += projects
home_count_OBJS = $(HOME_OBJS)
home_count_LIBS = $(home_LIBS)
UNIT_ROOT     += home_mend home_count home_rename
identity_OBJS  = $(HOME_OBJS)
identity_LIBS  = $(home_LIBS)
sessions_OBJS  = $(HOME_OBJS)
sessions_LIBS  = $(home_LIBS)
UNIT_ROOT     += home home_link home_purge home_walk identity sessions

# runs: the record, spans of time
run_OBJS       = account/run
duration_OBJS  = cli/duration
use_OBJS       = cli/use cli/use_group $(INDEX) account/name account/id
threshold_OBJS = cli/duration cli/threshold
UNIT          += run duration threshold use
fuzz_run_OBJS  = account/run
FUZZ          += run

# the children that stop an account, and let it go on: they are the test's
freezes_OBJS = subuidd/life/freeze
UNIT        += freezes

# what check and doctor share
state_look_OBJS = index/state_look account/advice account/part $(PASSWD)
UNIT          += state_look

# settings
settings_OBJS  = subuidd/base/settings subuidd/base/settings_value subuidd/base/settings_file index/session_rules account/fields account/shell account/role account/name account/id
settings_LIBS  = -leconf
UNIT          += settings

# store
store_OBJS     = $(STORE) account/id account/name account/run
store_LIBS     = -lsqlite3
store_import_OBJS = $(store_OBJS)
store_state_OBJS = $(store_OBJS)
store_state_LIBS = -lsqlite3
store_import_LIBS = -lsqlite3
high_water_OBJS = store/high_water store/hash $(HOME_OBJS)
high_water_LIBS = $(home_LIBS)
store_evidence_OBJS = $(store_OBJS)
store_evidence_LIBS = -lsqlite3
store_names_OBJS = $(store_OBJS)
store_names_LIBS = -lsqlite3
UNIT          += store store_import store_state store_evidence store_names
UNIT_ROOT     += high_water

# state: saved states
state_format_OBJS = subuidd/state/format
state_format_LIBS = -lmd
UNIT          += state_format
fuzz_state_OBJS = subuidd/state/format
fuzz_state_LIBS = -lmd
FUZZ          += state

# import: the text, its rows; what the worker makes of rows
IMPORT_TEXT      = cli/import_text cli/import_rows cli/facts cli/print cli/complain cli/options cli/duration $(RECORDS) $(ACCOUNT)
import_text_OBJS = $(IMPORT_TEXT)
import_text_LIBS = -ljansson -lcrypt
UNIT            += import_text
fuzz_import_OBJS = $(IMPORT_TEXT) worker/import_row worker/parse worker/record_json \
                   worker/field varlink/text $(WIRE) worker/password
fuzz_import_LIBS = -ljansson -lcrypt
FUZZ            += import

# log
log_OBJS       = subuidd/base/log account/name
log_LIBS       = -lsystemd
UNIT          += log

# allocate, subid files
subid_files_OBJS = $(SUBID_HELD) account/id
allocate_OBJS    = subuidd/base/child confine/child subuidd/ids/allocate subuidd/ids/local subuidd/ids/probe subuidd/ids/probe_ahead subuidd/ids/probe_chain subuidd/ids/projects $(SUBID_HELD) subid/chain $(PASSWD) subuidd/base/settings subuidd/base/settings_value subuidd/base/settings_file index/session_rules account/fields $(store_OBJS) \
                   $(INDEX)
allocate_LIBS    = -lsqlite3 -leconf -lsystemd
UNIT            += subid_files allocate
probe_ahead_OBJS = subuidd/ids/probe_ahead subuidd/base/child confine/child
probe_ahead_LIBS = -lsystemd
UNIT            += probe_ahead
subid_lines_OBJS = subid/lines subid/order subid/line account/id
subid_lock_OBJS  = subid/lock
comma = ,
subid_lock_LIBS  = $(addprefix -Wl$(comma)--wrap=,lckpwdf ulckpwdf nanosleep clock_gettime time fstat openat write fdatasync fsync linkat unlinkat)
UNIT            += subid_lines subid_lock
fuzz_subid_OBJS     = $(SUBID_HELD) account/id
fuzz_settings_OBJS  = subuidd/base/settings subuidd/base/settings_value subuidd/base/settings_file index/session_rules account/fields account/shell account/role account/name account/id
fuzz_settings_LIBS  = -leconf
FUZZ               += subid settings

# setup_text
setup_text_OBJS = setup/text setup/text_fstab setup/text_lines setup/text_nsswitch setup/nsswitch_line setup/text_network setup/text_pam
UNIT          += setup_text

# pam: index, passwd and shadow are the test's
pam_OBJS       = pam/pam_subuid pam/session_manager pam/group index/verdict index/verdict_owner pam/session pam/password pam/rehash pam/grant account/session_end pam/private_names pam/session_private pam/private pam/private_system pam/private_places account/snapshot pam/private_files pam/refuse pam/item pam/bounds confine/limits pam/slots account/key_words account/login_line account/shell account/password account/role confine/mounts confine/path index/session_rules $(INDEX) $(BOUNDS) $(PASSWD) account/name account/id
pam_LIBS       = -lpam -Wl,--wrap=index_account_by_name,--wrap=getpwnam_r,--wrap=getspnam_r,--wrap=source_each,--wrap=source_one,--wrap=slots_open,--wrap=slots_denied,--wrap=private_enter,--wrap=index_host,--wrap=index_bounds,--wrap=pam_syslog
UNIT          += pam
session_rules_OBJS = index/session_rules account/id account/name
UNIT          += session_rules
slots_OBJS     = pam/slots
slots_LIBS     = -Wl,--wrap=clock_gettime
UNIT          += slots

# the look-up of users: nsswitch.conf and sources of the test's own
PASSWD_TEST_DIRS = -USYSCONFDIR -DSYSCONFDIR='"$(abspath $(BUILD))/tests/passwd/etc"' -ULIBDIR -DLIBDIR='"$(abspath $(BUILD))/tests/passwd/lib"' -UHOST_LIBDIR -DHOST_LIBDIR=LIBDIR
PASSWD_TEST_OBJS = $(patsubst %,$(BUILD)/tests/passwd/%.o,$(PASSWD) tests/unit/test_passwd)
OBJECTS         += $(PASSWD_TEST_OBJS)
$(BUILD)/tests/passwd/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) $(PASSWD_TEST_DIRS) -c -o $@ $<
$(BUILD)/tests/test_passwd: $(PASSWD_TEST_OBJS)
	$(LINK_EXE) -Wl,--wrap=getpwnam_r,--wrap=getpwuid_r \
	  -Wl,--export-dynamic-symbol='_nss_*' -o $@ $(PASSWD_TEST_OBJS) -lcmocka
check-unit: $(BUILD)/tests/test_passwd

# local users in memory: the files are the test's
LOCAL_TEST_OBJS  = $(patsubst %,$(BUILD)/tests/local/%.o,subuidd/ids/local $(SUBID_HELD) $(PASSWD) account/id account/name \
                   tests/unit/test_local)
OBJECTS         += $(LOCAL_TEST_OBJS)
$(BUILD)/tests/local/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -USYSCONFDIR -DSYSCONFDIR='"$(abspath $(BUILD))/tests/local/etc"' -c -o $@ $<
$(BUILD)/tests/test_local: $(LOCAL_TEST_OBJS)
	$(LINK_EXE) -Wl,--wrap=getpwuid_r -Wl,--export-dynamic-symbol='_nss_*' -o $@ $(LOCAL_TEST_OBJS) -lcmocka
check-unit: $(BUILD)/tests/test_local

# lines of the subid files: the user database is the test's
SUBID_PLAN_OBJS  = $(patsubst %,$(BUILD)/tests/passwd/%.o,subid/join subid/owners subid/lines subid/line account/id \
                   account/name tests/unit/test_subid_plan)
OBJECTS         += $(SUBID_PLAN_OBJS)
$(BUILD)/tests/test_subid_plan: $(SUBID_PLAN_OBJS)
	$(LINK_EXE) -Wl,--wrap=user_find,--wrap=source_files_first,--wrap=clock_gettime -o $@ $(SUBID_PLAN_OBJS) -lcmocka
check-unit: $(BUILD)/tests/test_subid_plan

# names of ids inside ranges
range_name_OBJS = account/range_name account/id account/name
UNIT           += range_name

# index
INDEX_BOTH      = $(INDEX) $(INDEX_WRITER) $(BOUNDS) account/name account/id
index_OBJS      = $(INDEX_BOTH)
index_damage_OBJS  = $(INDEX_BOTH)
index_threads_OBJS = $(INDEX_BOTH)
index_holds_OBJS   = $(INDEX_BOTH)
index_steps_OBJS   = $(INDEX_BOTH)
index_steps_LIBS   = -Wl,--wrap=index_view_init -Wl,--wrap=clock_gettime
index_bounds_OBJS  = $(INDEX_BOTH)
UNIT           += index index_damage index_threads index_holds index_steps index_bounds
fuzz_index_OBJS = $(INDEX_BOTH)
FUZZ           += index

# userdb: what systemd is told
userdb_OBJS     = userdb/methods userdb/record $(BOUNDS) userdb/peers varlink/stream varlink/server varlink/service $(INDEX_BOTH)
userdb_LIBS     = -ljansson
UNIT           += userdb
fuzz_userdb_OBJS = userdb/methods userdb/record $(BOUNDS) varlink/stream varlink/server varlink/service $(INDEX_BOTH)
fuzz_userdb_LIBS = -ljansson -lcmocka
FUZZ           += userdb

# nss: the module once more, with a state directory and a trusted uid of the test's own
nss_OBJS        = $(INDEX_BOTH)
nss_LIBS        = -ldl -lpthread
UNIT           += nss
NSS_TEST        = $(BUILD)/tests/nss/libnss_subuid.so.2
NSS_TEST_OBJS   = $(patsubst %,$(BUILD)/tests/nss/%.o,$(NSS))
OBJECTS        += $(NSS_TEST_OBJS)
$(BUILD)/tests/test_nss: $(NSS_TEST)
$(BUILD)/tests/nss/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -USTATE_DIR -DSTATE_DIR='"$(abspath $(BUILD))/tests/nss/state"' -DNSS_TRUSTED_UID=$(shell id -u) -c -o $@ $<
$(NSS_TEST): $(NSS_TEST_OBJS) nss/libnss_subuid.map
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -Wl,--version-script=nss/libnss_subuid.map -o $@ $(NSS_TEST_OBJS)

$(BUILD)/bench/nss: $(call objs,tests/bench/bench_nss $(INDEX_BOTH)) $(NSS_TEST)
	@mkdir -p $(@D) $(BUILD)/tests/nss/state
	$(LINK_EXE) -o $@ $(call objs,tests/bench/bench_nss $(INDEX_BOTH)) -ldl
OBJECTS        += $(call objs,tests/bench/bench_nss)

# subid: the plug-in once more, with directories, a trusted uid and passwd of the test's own, and one to chain to
subid_OBJS       = $(INDEX_BOTH)
subid_LIBS       = -ldl -Wl,--export-dynamic-symbol=getpwnam_r,--export-dynamic-symbol=getpwuid_r
subid_join_OBJS  = $(subid_OBJS)
subid_join_LIBS  = $(subid_LIBS)
subid_model_OBJS = $(subid_OBJS)
subid_model_LIBS = $(subid_LIBS)
subid_threads_OBJS = $(subid_OBJS)
subid_threads_LIBS = $(subid_LIBS) -lpthread
UNIT            += subid subid_join subid_model subid_threads
fuzz_subid_files_OBJS = subid/guest/files subid/guest/pieces subid/guest/user subid/line $(PASSWD) account/id
FUZZ            += subid_files
SUBID_TEST       = $(BUILD)/tests/subid/libsubid_subuid.so
SUBID_TEST_OBJS  = $(patsubst %,$(BUILD)/tests/subid/%.o,$(SUBID))
SUBID_CHAINED    = $(BUILD)/tests/subid/lib/libsubid_chained.so
OBJECTS         += $(SUBID_TEST_OBJS)
$(addprefix $(BUILD)/tests/test_,subid subid_join subid_model subid_threads): $(SUBID_TEST) $(SUBID_CHAINED)
$(BUILD)/tests/subid/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -USTATE_DIR -DSTATE_DIR='"$(abspath $(BUILD))/tests/subid/state"' -USYSCONFDIR \
	  -DSYSCONFDIR='"$(abspath $(BUILD))/tests/subid/etc"' -ULIBDIR -DLIBDIR='"$(abspath $(BUILD))/tests/subid/lib"' -UHOST_LIBDIR -DHOST_LIBDIR=LIBDIR \
	  -DSUBID_TRUSTED_UID=$(shell id -u) -c -o $@ $<
$(SUBID_TEST): $(SUBID_TEST_OBJS) subid/guest/libsubid_subuid.map
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -Wl,--version-script=subid/guest/libsubid_subuid.map -o $@ $(SUBID_TEST_OBJS)
$(SUBID_CHAINED): tests/unit/libsubid_chained.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -shared -fPIC $(WARN) $(CFLAGS) $(LDFLAGS) -o $@ $<

# Both guests, asked by several threads at once.
BENCH_READERS = tests/bench/bench_readers $(INDEX_BOTH)
$(BUILD)/bench/readers: $(call objs,$(BENCH_READERS)) $(NSS_TEST) $(SUBID_TEST)
	@mkdir -p $(@D) $(BUILD)/tests/nss/state $(BUILD)/tests/subid/state
	$(LINK_EXE) $(addprefix -Wl$(comma)--export-dynamic-symbol=,getpwnam_r getpwuid_r) \
	  -o $@ $(call objs,$(BENCH_READERS)) -ldl -lpthread
OBJECTS        += $(call objs,tests/bench/bench_readers)

# a store of any size, at once
$(BUILD)/bench/fill: $(call objs,tests/bench/fill $(STORE) account/id account/name)
	@mkdir -p $(@D)
	$(LINK_EXE) -o $@ $(call objs,tests/bench/fill $(STORE) account/id account/name) -lsqlite3
OBJECTS        += $(call objs,tests/bench/fill)

.PHONY: bench-provision
# BENCH_SIZES='1000 100000 1000000'; THROWAWAY_DISK=DIR for figures of a disk
bench-provision: all
	tests/throwaway -- /usr/bin/python3 tests/bench/bench_provision.py $(BENCH_SIZES)
.PHONY: bench-lists
# BENCH_LISTS='--list 1000000 --check 80000'
bench-lists: all $(BUILD)/bench/fill
	THROWAWAY_SRV=8G tests/throwaway -- /usr/bin/python3 tests/bench/bench_lists.py $(BENCH_LISTS)
.PHONY: bench-sessions
bench-sessions: all
	tests/throwaway -- /usr/bin/python3 tests/bench/bench_sessions.py $(BENCH_SESSIONS)
.PHONY: bench-enter
bench-enter: all $(BUILD)/bench/fill
	tests/throwaway -- /usr/bin/python3 tests/bench/bench_enter.py
.PHONY: bench-containers
bench-containers: ## podman run and lxc-start on our plug-in beside /etc/subuid, in a fresh Debian; SUITE=trixie
	tests/bench/bench_containers $(SUITE)
.PHONY: bench-socket
bench-socket: all
	tests/throwaway -- /usr/bin/python3 tests/bench/bench_socket.py
.PHONY: bench-passwords
bench-passwords: all
	tests/throwaway -- /usr/bin/python3 tests/bench/bench_passwords.py

# Against named peers, in a throwaway root: `make bench` writes docs/performance.{json,md,svg};
# BENCH='--quick' is a short one.
BENCH_PEERS = libnss-extrausers libnss-cache libnss-db systemd-userdbd
$(BUILD)/bench/modules: $(call objs,tests/bench/bench_modules)
	@mkdir -p $(@D)
	$(LINK_EXE) -o $@ $(call objs,tests/bench/bench_modules) -ldl -lpthread
OBJECTS        += $(call objs,tests/bench/bench_modules)
$(BUILD)/bench/subid: $(call objs,tests/bench/bench_subid)
	@mkdir -p $(@D)
	$(LINK_EXE) $(addprefix -Wl$(comma)--export-dynamic-symbol=,getpwnam_r getpwuid_r open close lstat fstat pread) \
	  -o $@ $(call objs,tests/bench/bench_subid) -ldl
OBJECTS        += $(call objs,tests/bench/bench_subid)
$(BUILD)/bench/memory: $(call objs,tests/bench/memory)
	@mkdir -p $(@D)
	$(LINK_EXE) -o $@ $(call objs,tests/bench/memory)
OBJECTS        += $(call objs,tests/bench/memory)
$(BUILD)/bench/peers:
	@mkdir -p $@.new
	cd $@.new && apt-get -o APT::Sandbox::User=root download -q $(BENCH_PEERS)
	mv $@.new $@
bench: all $(BUILD)/bench/modules $(BUILD)/bench/subid $(BUILD)/bench/readers $(BUILD)/bench/memory $(BUILD)/bench/fill $(BUILD)/bench/peers ## measures against named peers; docs/performance.md
	rm -rf $(BUILD)/bench/disk && mkdir -p $(BUILD)/bench/disk
	THROWAWAY_SRV=8G THROWAWAY_DISK=$(abspath $(BUILD))/bench/disk tests/throwaway -- /usr/bin/python3 tests/bench/run $(BENCH) --build $(abspath $(BUILD)) > $(BUILD)/bench/result.json
	THROWAWAY_SRV=$(if $(findstring quick,$(BENCH)),4,24)G THROWAWAY_DISK=$(abspath $(BUILD))/bench/disk tests/throwaway -- /usr/bin/python3 tests/bench/bench_provision.py $(or $(BENCH_SIZES),$(if $(findstring quick,$(BENCH)),1000 10000,1000 100000 1000000)) > $(BUILD)/bench/provision.txt
	THROWAWAY_SRV=$(if $(findstring quick,$(BENCH)),4,16)G THROWAWAY_DISK=$(abspath $(BUILD))/bench/disk tests/throwaway -- /usr/bin/python3 tests/bench/bench_gate.py $(if $(findstring quick,$(BENCH)),--scale 0.02 --runs 2) > $(BUILD)/bench/gate.txt
	rm -rf $(BUILD)/bench/disk
	/usr/bin/python3 tests/bench/bench_readers.py $(abspath $(BUILD)) $(if $(findstring quick,$(BENCH)),--rounds 11) > $(BUILD)/bench/readers.json
	/usr/bin/python3 tests/bench/report $(BUILD)/bench/result.json $(BUILD)/bench/provision.txt $(BUILD)/bench/gate.txt $(BUILD)/bench/readers.json docs

# That part alone, into the documents: a minute. READERS='--before NSS SUBID': beside modules of other sources.
.PHONY: bench-readers
bench-readers: $(BUILD)/bench/readers
	/usr/bin/python3 tests/bench/bench_readers.py $(abspath $(BUILD)) $(READERS) > $(BUILD)/bench/readers.json
	/usr/bin/python3 tests/bench/report docs/performance.json - - $(BUILD)/bench/readers.json docs

# BEFORE=COMMIT: the same figures of another state of the sources, by turns with ours. ROUNDS='--rounds 11'
.PHONY: bench-before
bench-before: all $(BUILD)/bench/modules $(BUILD)/bench/subid $(BUILD)/bench/fill
	rm -rf $(BUILD)/before && git clone -q . $(BUILD)/before && git -C $(BUILD)/before checkout -q $(BEFORE)
	env -u MAKEFLAGS $(MAKE) -s -j2 -C $(BUILD)/before all build/bench/fill
	/usr/bin/python3 tests/bench/bench_before.py $(BUILD)/before . $(ROUNDS) > $(BUILD)/bench/before.json
	/usr/bin/python3 tests/bench/report docs/performance.json - - - docs $(BUILD)/bench/before.json

.PHONY: bench-gate
# GATE='--scale 0.1 --runs 5'
bench-gate: all
	THROWAWAY_SRV=16G tests/throwaway -- /usr/bin/python3 tests/bench/bench_gate.py $(GATE)

.PHONY: check-guests bench-nss
bench-nss: $(BUILD)/bench/nss
	@for n in 1000 1000000; do $< $$n $(NSS_TEST) $(BUILD)/tests/nss/state; done
check-guests: $(B)/libnss_subuid.so.2 $(B)/libsubid_subuid.so
	tests/guest_symbols $(B)/libnss_subuid.so.2 nss/libnss_subuid.map
	tests/guest_symbols $(B)/libsubid_subuid.so subid/guest/libsubid_subuid.map +malloc +free +dlopen
check: check-guests

# the gate: words, options, login command; confinement
snapshot_OBJS       = account/snapshot
UNIT               += snapshot
GATE_CORE           = backup/command_line backup/brace backup/text_list backup/rsync_options backup/rsync_request \
                      backup/rsync_arguments backup/gate_policy confine/limits confine/limits
rrsync_OBJS         = $(GATE_CORE)
secluded_OBJS       = $(GATE_CORE) backup/secluded backup/secluded_read
UNIT               += secluded
fuzz_secluded_OBJS  = $(GATE_CORE) backup/secluded
FUZZ               += secluded
login_command_OBJS  = backup/login_command account/login_line backup/probe account/key_words account/name account/role account/shell account/id account/key account/key_blob account/key_from index/verdict account/date
confine_OBJS        = confine/landlock $(SECCOMP)
connector_OBJS      = backup/connector confine/harden confine/landlock $(SECCOMP)
connector_LIBS      = -lpthread
UNIT               += rrsync login_command confine
UNIT_ROOT          += connector # sealed: the filter knows no calls of a sanitizer
fuzz_command_OBJS   = $(GATE_CORE)
FUZZ               += command
name_table_OBJS     = backup/name_table
UNIT               += name_table
fuzz_name_table_OBJS = backup/name_table
FUZZ               += name_table

# rsync's own tests of rrsync against a build of the gate that takes rsync's path from the environment. Never
# installed; SUITE: a checkout of rsync with its test tools built.
.PHONY: check-rrsync
check-rrsync: ## rsync's own tests against subuid-rrsync
	@test -f '$(SUITE)/runtests.py' || { echo 'make check-rrsync SUITE=DIR: DIR is a checkout of rsync'; exit 1; }
	$(MAKE) BUILD=$(BUILD)/gate-test CPPFLAGS=-DGATE_TEST $(BUILD)/gate-test/bin/subuid-rrsync
	tests/check_rrsync $(BUILD)/gate-test/bin/subuid-rrsync '$(SUITE)'

# which removed data is due: the pure part
known_time_OBJS     = subuidd/call/known_time
UNIT               += known_time
alarm_pace_OBJS     = subuidd/runs/alarm_pace
UNIT               += alarm_pace

# the text of `subuid metrics`
metrics_OBJS        = cli/metrics confine/path
UNIT               += metrics

# alarms: store, hooks and clock are the test's
alarm_event_OBJS    = subuidd/runs/alarm subuidd/runs/alarm_event subuidd/runs/alarm_pace account/run
UNIT               += alarm_event
# and when the ends of keys and accounts are looked at
alarm_dates_OBJS    = subuidd/runs/alarm_dates $(RECORDS)
UNIT               += alarm_dates

# bounds per uid: clock and store are the test's
bounds_OBJS         = account/bounds backup/bandwidth confine/limits
UNIT               += bounds
churn_OBJS          = subuidd/change/churn subuidd/call/audit subuidd/call/tally account/failure account/role account/shell account/name account/id
churn_LIBS          = -Wl,--wrap=clock_gettime
UNIT               += churn

# connections by whose they are
shares_OBJS         = subuidd/door/shares
UNIT               += shares

# the broker's decoder
fuzz_wire_OBJS      = $(WIRE) $(ACCOUNT)
FUZZ               += wire

# tools by profile: profiles, a client's words, packets of sftp
tool_OBJS           = backup/tool_profile backup/tool_command backup/command_line backup/text_list backup/gate_policy confine/limits \
                      backup/sftp_stream
file_count_OBJS     = backup/file_count
report_OBJS         = backup/report
sftp_log_OBJS       = backup/sftp_log
run_added_OBJS      = backup/run_added
UNIT               += tool file_count report sftp_log run_added
VERIFY_CHECK        = verify/check verify/queue verify/tries account/password account/password_from account/key_from account/date index/verdict
verify_OBJS         = $(VERIFY_CHECK) $(INDEX_BOTH)
verify_LIBS         = -lcrypt -Wl,--wrap=crypt_rn
UNIT               += verify
fuzz_password_OBJS  = $(VERIFY_CHECK) $(INDEX) account/name account/id
fuzz_password_LIBS  = -lcrypt
FUZZ               += password
fuzz_sftp_log_OBJS  = backup/sftp_log
FUZZ               += sftp_log
fuzz_sftp_OBJS      = backup/sftp_stream
fuzz_tool_OBJS      = backup/tool_profile backup/tool_command backup/command_line backup/text_list backup/gate_policy confine/limits
fuzz_tool_profile_OBJS = backup/tool_profile
FUZZ               += sftp tool tool_profile

# faults: kill -9, failing calls, loss of power, damage; FAULTS='--only kill --rows add' for a part of it
FAULT_PROGRAMS = $(BUILD)/faults/tracer $(BUILD)/faults/recorder
$(BUILD)/faults/tracer: $(call objs,tests/faults/tracer)
	@mkdir -p $(@D)
	$(LINK_EXE) -o $@ $< -lseccomp
$(BUILD)/tests/faults/recorder.o: CPPFLAGS += $(shell pkg-config --cflags fuse3 2>/dev/null)
$(BUILD)/faults/recorder: $(call objs,tests/faults/recorder)
	@mkdir -p $(@D)
	$(LINK_EXE) -o $@ $< -lfuse3
OBJECTS += $(call objs,tests/faults/tracer tests/faults/recorder)
.PHONY: check-faults check-faults-sample
check-faults: all $(FAULT_PROGRAMS) ## kill -9, failing calls, loss of power, damage, at every point; hours
	FAULTS_BUILD=$(abspath $(BUILD)) nice tests/faults/run $(FAULTS)
check-faults-sample: all $(FAULT_PROGRAMS) ## some of these points
	FAULTS_BUILD=$(abspath $(BUILD)) tests/faults/run --sample $(FAULTS)

# runs and the login command, as their bytes come: rsync's log, the kernel's answer, standard error
session_end_OBJS     = account/session_end
UNIT               += session_end
run_watch_OBJS      = backup/login_end account/session_end backup/run_describe backup/sftp_log backup/run_end backup/probe backup/login_command account/login_line account/run account/key_words account/name account/role account/shell account/id account/key account/key_blob account/key_from index/verdict account/date
login_OBJS          = $(filter-out backup/login,$(LOGIN))
UNIT               += run_watch login
fuzz_file_count_OBJS     = backup/file_count
fuzz_run_connection_OBJS = account/id
fuzz_run_watch_OBJS      = $(run_watch_OBJS)
fuzz_login_command_OBJS  = $(login_command_OBJS)
FUZZ               += file_count run_connection run_watch login_command

# commands that ask for nothing, beside a second reading: /bin/sh for those of the unit test
probe_OBJS          = backup/probe
fuzz_probe_OBJS     = backup/probe
UNIT               += probe
FUZZ               += probe

# what a client of `manage` sends, beside a second reading of it
fuzz_manage_OBJS    = cli/manage_split cli/manage_command $(USAGE) $(RECORDS)
FUZZ               += manage

# the words of a refusal, and the packets that carry them to sftp's clients
login_words_OBJS    = backup/login_words account/role account/shell account/name account/id
sftp_refusal_OBJS   = backup/sftp_refusal
fuzz_sftp_refusal_OBJS = backup/sftp_refusal
UNIT               += login_words
FUZZ               += sftp_refusal

# profiles of tools, lines of ours in the subid files, a server of any bytes
fuzz_tool_load_OBJS      = backup/tool_profile account/role account/shell account/name account/id confine/path
fuzz_subid_lines_OBJS    = subid/lines subid/line account/id
fuzz_subid_found_OBJS    = subid/found subid/lines subid/line account/id
fuzz_subid_write_OBJS    = $(filter-out subid/lock,$(SUBID_WRITE) $(SUBID_HELD)) account/name account/id
fuzz_subid_write_LIBS    = $(foreach f,openat write fsync unlinkat fchmod fchown renameat,-Wl,--wrap=$(f))
fuzz_setup_text_OBJS     = $(setup_text_OBJS)
setup_record_OBJS        = confine/path
setup_record_LIBS        = -ljansson
UNIT                    += setup_record
fuzz_setup_record_OBJS   = setup/revert confine/path
fuzz_setup_record_LIBS   = -ljansson
fuzz_store_OBJS          = $(store_OBJS)
fuzz_store_LIBS          = -lsqlite3
fuzz_worker_answer_OBJS  = $(filter-out worker/worker confine/%,$(WORKER))
fuzz_worker_answer_LIBS  = -ljansson -lcrypt
fuzz_varlink_client_OBJS = varlink/client varlink/stream varlink/scan
fuzz_varlink_client_LIBS = -ljansson
FUZZ               += tool_load subid_lines subid_found subid_write setup_text setup_record store worker_answer varlink_client

# ---- rules: new blocks go above this line -------------------------------------------
define unit
$(BUILD)/tests/test_$(1): $$(call objs,tests/unit/test_$(1) $$($(1)_OBJS))
	@mkdir -p $$(@D)
	$$(LINK_EXE) -o $$@ $$(call objs,tests/unit/test_$(1) $$($(1)_OBJS)) -lcmocka $$($(1)_LIBS)
OBJECTS += $$(call objs,tests/unit/test_$(1) $$($(1)_OBJS))
endef
$(foreach t,$(UNIT) $(UNIT_ROOT),$(eval $(call unit,$(t))))

# Everything in a fuzzer is instrumented: objects of its own, made once for all of them. A harness that includes a .c
# (its static functions are what it tests) does not list that object.
FUZZ_CC      ?= clang
FUZZ_SECONDS ?= 5
FUZZ_COMPILE  = $(FUZZ_CC) -std=gnu17 -g -O1 $(DEFS) -DFUZZING -fsanitize=fuzzer-no-link,address,undefined \
                -fno-sanitize-recover=undefined -MMD -MP
fuzz_objs     = $(sort $(patsubst %,$(BUILD)/fuzz/obj/%.o,$(1)))
$(BUILD)/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_COMPILE) -c -o $@ $<
$(BUILD)/fuzz/obj/varlink/interface_text.o: $(BUILD)/varlink/interface_text.c
	@mkdir -p $(@D)
	$(FUZZ_COMPILE) -c -o $@ $<
define fuzzer
$(BUILD)/fuzz/$(1): $$(call fuzz_objs,tests/fuzz/fuzz_$(1) $$(fuzz_$(1)_OBJS))
	$$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $$@ $$^ $$(fuzz_$(1)_LIBS)
OBJECTS += $$(call fuzz_objs,tests/fuzz/fuzz_$(1) $$(fuzz_$(1)_OBJS))
endef
$(foreach f,$(FUZZ),$(eval $(call fuzzer,$(f))))

.PHONY: wire-seeds
$(BUILD)/tests/make_wire_seeds: $(call objs,tests/fuzz/make_wire_seeds $(worker_parse_OBJS) worker/import_row)
	@mkdir -p $(@D)
	$(LINK_EXE) -o $@ $(call objs,tests/fuzz/make_wire_seeds $(worker_parse_OBJS) worker/import_row) -ljansson -lcrypt
OBJECTS += $(call objs,tests/fuzz/make_wire_seeds)
wire-seeds: $(BUILD)/tests/make_wire_seeds ## what the fuzzer of the wire begins with, after a record has changed
	$< tests/fuzz/corpus/wire

.PHONY: check-sessions check-boot check-boot-vm check-clients check-containers check-fresh check-restore print-client-packages check-vm check-threads check-prerequisites deps-vm deps-lint check-fuzz check-root check-sanitize $(addprefix fuzz-,$(FUZZ)) check-desktop
fuzz: $(addprefix $(BUILD)/fuzz/,$(FUZZ)) ## the fuzzers; fuzz-NAME runs one for FUZZ_SECONDS
$(addprefix fuzz-,$(FUZZ)): fuzz-%: $(BUILD)/fuzz/%
	@mkdir -p $(BUILD)/fuzz/corpus-$*; \
	  seed=; test -d tests/fuzz/corpus/$* && seed=tests/fuzz/corpus/$*; \
	  echo "== fuzz $*, $(FUZZ_SECONDS) s"; \
	  $(BUILD)/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -timeout=30 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
	    -artifact_prefix=$(BUILD)/fuzz/$*- $(BUILD)/fuzz/corpus-$* $$seed
check-fuzz: ## each fuzzer for FUZZ_SECONDS
	$(MAKE_ALL) --output-sync=target $(addprefix fuzz-,$(FUZZ))

check-unit: $(addprefix $(BUILD)/tests/test_,$(UNIT)) ## unit tests that need no root
	@set -e; for t in $^; do echo "== $$t"; $$t; done

check-root: $(addprefix $(BUILD)/tests/test_,$(UNIT_ROOT)) ## unit tests that need root
	@test "$$(id -u)" = 0 || { echo 'make check: these tests need root'; exit 1; }
	@set -e; for t in $^; do echo "== $$t"; unshare --mount --propagation private $$t; done

# A build of its own uses every core, also where make was called without -j.
MAKE_ALL = $(MAKE) $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# The unit tests once more under AddressSanitizer and UndefinedBehaviorSanitizer.
check-sanitize: ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE_ALL) BUILD=$(BUILD)/sanitize HARDEN= HARDEN_LD= CFLAGS='-O1 -g $(SANITIZE)' check-unit

# Which lines the unit tests run. The base is every line of every program, so
# that a file which no test is linked with counts as not run. Not those that need root: a process that is sealed, or has become
# somebody else, cannot write its counts, and some of these tests fail by the attempt.
COVERAGE = $(BUILD)/coverage
.PHONY: coverage
coverage: ## unit tests without root, with gcov: the share of lines that they run, and build/coverage/html
	@command -v lcov >/dev/null || { echo 'make coverage: lcov is missing: make deps-lint'; exit 1; }
	-@find $(COVERAGE) -name '*.gcda' -delete 2>/dev/null
	$(MAKE_ALL) BUILD=$(COVERAGE) HARDEN= HARDEN_LD= CFLAGS='-O0 -g --coverage -fprofile-update=atomic' \
	  all check-unit
	lcov -q --no-external -c -i -d $(COVERAGE) -b . -o $(COVERAGE)/base.info
	lcov -q --no-external -c -d $(COVERAGE) -b . -o $(COVERAGE)/run.info
	lcov -q -a $(COVERAGE)/base.info -a $(COVERAGE)/run.info -o $(COVERAGE)/all.info
	lcov -q -r $(COVERAGE)/all.info '*/tests/*' '*/$(COVERAGE)/*' -o $(COVERAGE)/lcov.info
	genhtml -q -o $(COVERAGE)/html $(COVERAGE)/lcov.info
	@lcov --summary $(COVERAGE)/lcov.info 2>&1 | grep -E 'lines|functions'

# Those with threads under ThreadSanitizer; the modules that test_nss and test_subid_threads load are instrumented, too.
THREADED = index_threads index_holds nss stream subid_threads varlink worker
check-threads: ## those with threads under ThreadSanitizer
	$(MAKE_ALL) BUILD=$(BUILD)/threads CC=clang HARDEN= HARDEN_LD= \
	  CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=thread' UNIT='$(THREADED)' check-unit

# End to end: real sshd, rsync, PAM and NSS, each file of tests in a throwaway root of its own.
check-e2e: all local $(BUILD)/bench/fill ## end to end: real sshd, rsync, PAM and NSS, in throwaway roots
	tests/e2e/run_files

# For test_prefix.py, which installs it: the paths are what counts, so it is compiled as fast as can be.
local:
	$(MAKE_ALL) BUILD=build/local PREFIX=/usr/local CFLAGS=-O0 HARDEN= HARDEN_LD= all
.PHONY: local

check-layers: all ## who includes whom, circles of symbols, and what guests are linked with
	tests/layers
	tests/house --circles

check-prerequisites: ## what the tests need of this host
	tests/prerequisites

check: check-prerequisites check-layers check-unit check-sanitize check-threads check-root check-e2e check-fuzz check-faults-sample ## all tests, as root; nothing on the host is changed

.PHONY: house
# Two builds of its own, with -Werror; LINT_GCC and LINT_CLANG name directories where that has been done (.ci/run).
LINT_GCC   ?= $(BUILD)/lint/gcc
LINT_CLANG ?= $(BUILD)/lint/clang
lint: ## gcc, clang, -fanalyzer, cppcheck, clang-tidy, and house; some minutes (make deps-lint)
	LINT=$(BUILD)/lint LINT_GCC=$(LINT_GCC) LINT_CLANG=$(LINT_CLANG) tests/lint $(LINT_FLAGS)
house: all ## counts what keeps the code easy to change, against its bounds
	tests/house
print-defs:
	@printf '%s\n' "$$DEFS_WORDS"
print-defs: export DEFS_WORDS = $(DEFS)

# What building and testing need, by Debian's names.
BUILD_PACKAGES = build-essential pkg-config libpam0g-dev libacl1-dev libsqlite3-dev libjansson-dev libsystemd-dev \
  libseccomp-dev libcap-ng-dev libeconf-dev libbtrfsutil-dev libmd-dev libsubid-dev libcrypt-dev
TEST_PACKAGES = libcmocka-dev python3-pytest python3-hypothesis openssh-server openssh-client rsync acl attr strace \
  iproute2 e2fsprogs btrfs-progs pamtester uidmap rootlesskit clang libclang-rt-dev libsqlite3-0 util-linux procps mandoc borgbackup restic rclone lftp curl \
  sshfs fuse3 python3-h2 python3-pytest-timeout xfsprogs libcap2-bin systemd systemd-userdbd libfuse3-dev git mercurial vim \
  rdiff-backup unison python3-prometheus-client python3-yaml cron at sudo pkexec lsyncd ansible-core backintime-common filezilla
# Of other people's programs those that tests/clients installs alone.
CLIENT_PACKAGES = rsnapshot dirvish rsbackup backuppc-rsync git-annex borgmatic duplicity python3-paramiko python3-pexpect \
  putty-tools dropbear-bin autossh
LINT_PACKAGES = clang clang-format clang-tidy cppcheck lcov
# What a host needs to build this, to be installed on and to run it.
INSTALL_PACKAGES = openssh-server rsync uidmap
install-deps: ## Debian packages for building and running
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(BUILD_PACKAGES) $(INSTALL_PACKAGES)
deps: ## Debian packages for building and testing
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(BUILD_PACKAGES) $(TEST_PACKAGES)
	$(MAKE) promtool
.PHONY: promtool
# Of Debian's package prometheus promtool alone: the package would start a server on this host.
PROMTOOL = /usr/local/bin/promtool
promtool:
	if command -v promtool >/dev/null; then exit 0; fi; d=$$(mktemp -d) && trap 'rm -rf "$$d"' EXIT && cd "$$d" && \
	  apt-get -o APT::Sandbox::User=root download -q prometheus && dpkg-deb -x prometheus_*.deb . && \
	  install -D -m 0755 usr/bin/promtool $(PROMTOOL)

# A fresh Debian, booted with its own systemd: make check-boot SUITE=trixie
SUITE ?= bookworm
check-boot: ## a fresh Debian, booted, set up, used; SUITE=trixie
	tests/boot $(SUITE)
check-containers: ## podman, LXC and others of a fresh Debian on our ranges, docs/clones.md; SUITE=trixie
	tests/containers $(SUITE)
	tests/programs $(SUITE)
check-desktop: ## docs/desktop.md in a fresh Debian: a desktop in a container, seen through a forward key; SUITE=trixie
	tests/desktop $(SUITE)
check-fresh: ## the README's commands on a Debian without git, make and gcc; SUITE=trixie
	tests/fresh $(SUITE)
check-clients: ## other people's programs, in the versions of a fresh Debian; SUITE=trixie
	tests/clients $(SUITE)
print-client-packages:
	@echo $(filter-out clang libclang-rt-dev,$(TEST_PACKAGES)) $(CLIENT_PACKAGES)
check-boot-vm: ## a fresh Debian in a virtual machine, where an account that takes more memory than it may is ended
	BOOT_VM=1 tests/boot $(SUITE)

# What needs quotas of ext4 and xfs, in a virtual machine with Debian's kernel (tests/vm/run). Some minutes: its processor
# is computed.
VM_PACKAGES = qemu-system-x86 cpio kmod mmdebstrap systemd-container
deps-lint: ## Debian packages for lint, format and coverage
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(LINT_PACKAGES)
deps-vm: deps ## Debian packages for check-vm, check-boot and check-boot-vm
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(VM_PACKAGES)
check-vm: all ## quotas of ext4 and xfs, in a virtual machine
	tests/vm/run python3 -m pytest -q --color=no -p no:cacheprovider --durations=5 tests/e2e/vm_quota.py

# The escape suite with the kernels of Debian 12 and 13, and what a session is where users may have no user namespaces.
# One machine for each suite and file, so that none of them takes a quarter of an hour, and what failed can be run alone:
#   make check-vm-escape VM_SUITES=trixie VM_FILES=vm_groups
VM_SUITES ?= bookworm trixie
VM_FILES ?= test_shell_escape test_shell_walk test_shell_net test_contained vm_namespaces vm_groups
VM_PARTS = $(foreach suite,$(VM_SUITES),$(foreach file,$(VM_FILES),$(suite)/$(file)))
.PHONY: check-vm-escape
check-vm-escape: all ## the escape suite, in virtual machines with the kernels of Debian 12 and 13
	@set -e; n=0; for part in $(VM_PARTS); do n=$$((n + 1)); began=$$(date +%s); \
	  echo "== $$n of $(words $(VM_PARTS)): $${part#*/} with the kernel of $${part%/*}"; \
	  VM_SUITE=$${part%/*} VM_SECONDS=$${VM_SECONDS:-1500} tests/vm/run env SUBUIDD_SAMPLE=1000 python3 -m pytest -v --color=no \
	    -p no:cacheprovider --durations=5 tests/e2e/$${part#*/}.py; \
	  echo "== $$part: held, in $$(($$(date +%s) - began)) s"; done

# A whole Debian pushed, pulled, compared and booted.
SESSIONS ?= 10000
check-sessions: all ## so many sessions (SESSIONS) leave no mount and no process
	SUBUIDD_SESSIONS=$(SESSIONS) tests/throwaway -- /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/e2e/test_session_mounts.py \
	  -k leave_no_mount

check-restore: ## a whole Debian pushed, pulled, compared and booted
	tests/restore $(SUITE)

demo: ## builds, and plays the whole story in a throwaway root
	@tests/demo/run
demo-recording: ## docs/demo.svg anew: what make demo shows on a terminal, as an animated picture
	tests/demo/record docs/demo.svg

# What `make demo` needs: enough to build and to run the story.
print-packages:
	@echo $(BUILD_PACKAGES) openssh-server openssh-client rsync uidmap acl attr iproute2 e2fsprogs util-linux procps python3 libcap2-bin
