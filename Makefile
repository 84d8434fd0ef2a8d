# SPDX-License-Identifier: ISC
# subuidd: one Makefile, not recursive. The object lists below are the map of who
# can reach what: code that is not in a program's list is not in that program.

PREFIX     ?= /usr
BINDIR      = $(PREFIX)/bin
SBINDIR     = $(PREFIX)/sbin
LIBEXECDIR  = $(PREFIX)/libexec/subuidd
TOOLSDIR    = $(PREFIX)/lib/subuidd/tools.d
TOOL_PROFILES = sftp borg restic rdiff-backup git-receive-pack git-upload-pack unison rclone-sftp
MULTIARCH  := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR     ?= $(PREFIX)/lib$(if $(MULTIARCH),/$(MULTIARCH))
# where the host's own NSS modules and plug-ins of libsubid are, whatever our prefix is
HOST_LIBDIR ?= $(if $(filter /usr,$(PREFIX)),$(LIBDIR),/usr/lib$(if $(MULTIARCH),/$(MULTIARCH)))
MANDIR      = $(PREFIX)/share/man
SYSCONFDIR ?= /etc
STATE_DIR  ?= /var/lib/subuidd
RUN_DIR    ?= /run/subuidd
DESTDIR    ?=
UNITDIR     = $(PREFIX)/lib/systemd/system
USER_MANAGER_DROPIN = $(UNITDIR)/user@.service.d
# polkit 122 looks for rules in /usr and /etc alone
POLKIT_RULES = $(if $(filter /usr,$(PREFIX)),$(PREFIX)/share,$(SYSCONFDIR))/polkit-1/rules.d
VERSION    := 0.1.0

BUILD      ?= build
CFLAGS     ?= -O2 -g
WARN        = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
              -Wformat=2 -Wvla -Wundef -Wcast-qual -Wwrite-strings $(WERROR)
HARDEN     ?= -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
              $(if $(filter x86_64%,$(MULTIARCH)),-fcf-protection)
HARDEN_LD  ?= -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
DEFS        = -D_GNU_SOURCE -I. -DVERSION='"$(VERSION)"' -DSTATE_DIR='"$(STATE_DIR)"' -DRUN_DIR='"$(RUN_DIR)"' \
              -DLIBEXECDIR='"$(LIBEXECDIR)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' -DBINDIR='"$(BINDIR)"' -DSBINDIR='"$(SBINDIR)"' -DLIBDIR='"$(LIBDIR)"' -DHOST_LIBDIR='"$(HOST_LIBDIR)"' -DVENDORDIR='"$(PREFIX)/lib"' -DDATADIR='"$(PREFIX)/share/subuidd"' \
              -DTOOLSDIR='"$(TOOLSDIR)"' -DUSER_MANAGER_DROPIN='"$(USER_MANAGER_DROPIN)"' -DPOLKIT_RULES='"$(POLKIT_RULES)"'
COMPILE     = $(CC) -std=gnu17 -fPIC -fvisibility=hidden $(WARN) $(DEFS) $(HARDEN) $(CFLAGS) $(CPPFLAGS) -MMD -MP
LINK_EXE    = $(CC) -pie $(HARDEN_LD) $(CFLAGS) $(LDFLAGS)
LINK_GUEST  = $(CC) -shared $(HARDEN_LD) -Wl,-z,defs -Wl,-z,nodelete $(CFLAGS) $(LDFLAGS)

# ---- what an account is: libc only ------------------------------------------------
# /etc/subuid: the grammar; its readers; who rewrites it
SUBID_HELD  = subid/held subid/line subid/text
SUBID_WRITE = subid/write subid/order subid/plan subid/stale subid/join subid/owners subid/found subid/lines subid/line subid/text subid/lock

ACCOUNT     = account/name account/key_words account/login_line account/password account/password_from account/id account/fields account/run account/failure account/role account/shell account/key account/key_blob account/key_from
RECORDS     = account/record account/records account/shell account/role account/date account/failure account/fields account/name account/id
INDEX       = index/index index/map index/view index/record index/list index/check account/range_name
BOUNDS      = index/bounds account/bounds
FINGERPRINT = account/fingerprint
PASSWD      = account/passwd account/source
SECCOMP     = confine/seccomp confine/seccomp_filters
INDEX_WRITER = index/writer/writer index/writer/file index/writer/place index/writer/list index/writer/entry \
              index/writer/verify index/writer/peek index/writer/grow index/writer/size index/writer/prune index/writer/guard index/writer/account index/writer/range index/writer/key index/writer/way

WIRE        = subuidd/wire/wire subuidd/wire/messages subuidd/wire/records subuidd/wire/request subuidd/wire/request_key $(RECORDS)

# ---- programs ----------------------------------------------------------------------
STORE       = store/sqlite store/transaction store/statement store/schema store/schema_steps store/schema_check store/sql store/ids \
              store/account store/name store/schema_names store/schema_steps_told store/facts store/sql_text store/key store/range store/kept store/schema_steps_runs store/schema_steps_kept store/schema_steps_manage store/schema_steps_shell store/schema_steps_passwords store/schema_steps_bounds store/schema_steps_places store/schema_steps_services store/schema_steps_factors store/run store/audit store/copy store/hash store/high_water \
              store/digest store/readable store/marks store/reserve store/state $(RECORDS)
SUBUIDD     = subuidd/main subuidd/broker subuidd/base/lower subuidd/life/evidence subuidd/life/evidence_disk subuidd/life/evidence_beside subuidd/call/earlier account/session_end account/date subuidd/call/watermark subuidd/base/trouble subuidd/door/listen subuidd/base/handed subuidd/door/shares subuidd/door/workers subuidd/door/worker_channel subuidd/door/spawn subuidd/door/verifier subuidd/base/child \
              subuidd/door/operation subuidd/call/call subuidd/call/call_fail subuidd/call/maintain subuidd/call/account_view subuidd/call/caller subuidd/call/peer subuidd/call/audit subuidd/call/tally subuidd/call/counters subuidd/call/denied subuidd/call/used \
              subuidd/op/account subuidd/op/enter subuidd/op/become subuidd/op/freeze subuidd/op/add subuidd/op/key subuidd/op/key_change subuidd/op/password subuidd/op/manage_key subuidd/op/restore subuidd/change/restore subuidd/op/range subuidd/change/churn subuidd/change/turn subuidd/change/bounds subuidd/op/limit subuidd/op/release subuidd/op/check subuidd/op/check_run subuidd/op/check_index subuidd/op/check_disk subuidd/op/check_removed subuidd/op/repair subuidd/op/check_owners \
              subuidd/op/audit subuidd/op/run subuidd/op/counter subuidd/runs/runs subuidd/life/meter subuidd/runs/alarm subuidd/runs/alarm_pace subuidd/runs/alarm_tell subuidd/runs/alarm_event subuidd/runs/alarm_quota subuidd/runs/alarm_dates subuidd/runs/hook subuidd/op/status subuidd/op/import subuidd/change/change subuidd/change/row subuidd/change/row_account subuidd/change/row_key subuidd/change/row_range subuidd/change/row_limit subuidd/change/make subuidd/change/unmake subuidd/change/look subuidd/change/rehearsal subuidd/change/claim subuidd/life/strays \
              subuidd/op/check_child subuidd/op/check_account subuidd/op/check_link subuidd/op/check_files subuidd/life/frozen subuidd/op/state \
              subuidd/life/lifecycle subuidd/life/mend subuidd/life/owners subuidd/life/rename subuidd/op/rename subuidd/op/owner subuidd/op/owner_has subuidd/call/former subuidd/change/name subuidd/call/refusal subuidd/life/recovery subuidd/publish/publish subuidd/publish/publish_open subuidd/publish/publish_host subuidd/publish/publish_sessions index/session_rules subuidd/publish/publish_build subuidd/life/removal subuidd/life/again subuidd/life/groups subuidd/life/freeze subuidd/life/admission subuidd/life/whose subuidd/life/memory index/verdict index/verdict_owner subuidd/life/purge subuidd/life/purge_call subuidd/life/sweep subuidd/call/known_time subuidd/call/room subuidd/life/urgent subuidd/publish/withheld \
              subuidd/life/subid subuidd/life/subid_watch $(SUBID_WRITE) $(SUBID_HELD) subid/chain \
              subuidd/base/settings subuidd/base/settings_value subuidd/base/settings_file subuidd/ids/allocate subuidd/ids/group subuidd/ids/local subuidd/ids/probe subuidd/ids/probe_ahead subuidd/ids/probe_chain subuidd/ids/projects \
              $(WIRE) subuidd/base/log subuidd/base/state_directory subuidd/state/save subuidd/state/format \
              $(STORE) \
              $(INDEX_WRITER) home/home home/make home/look home/view home/switch_off home/acl home/quota home/quota_disk home/quota_btrfs home/ids home/count home/tree_count \
              home/link home/link_result home/link_forker home/purge home/mounts home/mount_look home/subvolumes home/tree home/sessions home/session_find home/freeze home/stopped home/groups home/terminal home/traces home/walk confine/child \
              confine/harden confine/identity confine/path confine/view confine/user_namespace confine/landlock \
              home/link_mend home/rename home/link_look home/mend home/leftover \
              account/advice index/state_look account/part index/walk $(BOUNDS) \
              $(ACCOUNT) $(INDEX) $(FINGERPRINT) $(PASSWD)
STATE       = subuidd/state/main subuidd/state/words subuidd/state/place subuidd/base/state_directory subuidd/state/format subuidd/state/save \
              subuidd/state/copy subuidd/state/verify subuidd/state/target subuidd/state/daily subuidd/state/deliver subuidd/state/host \
              subuidd/state/compare subuidd/state/compare_host subuidd/state/compare_users $(SUBID_HELD) subuidd/state/replace subuidd/state/load subuidd/state/repair \
              subuidd/base/trouble subuidd/call/earlier index/writer/peek subuidd/base/settings subuidd/base/settings_value subuidd/base/settings_file index/session_rules home/walk home/home home/acl home/view home/mount_look $(STORE) \
              confine/path confine/view confine/user_namespace account/date account/name account/id account/fields \
              account/role account/shell $(INDEX) $(PASSWD)
WORKER      = worker/worker account/part worker/serve worker/list worker/parse worker/import worker/import_row worker/rehash worker/password worker/field worker/record_json \
              worker/answer varlink/text $(WIRE) \
              varlink/stream varlink/server varlink/service varlink/interface_text \
              confine/harden confine/landlock $(SECCOMP) account/date $(ACCOUNT)
USAGE       = cli/usage cli/usage_options cli/usage_help
SUBUID      = cli/main cli/arguments $(USAGE) cli/options cli/facts cli/complain cli/account_name cli/call cli/print cli/row cli/rows cli/new_key cli/client \
              cli/command_add cli/command_list cli/command_lock cli/command_rename cli/command_restore cli/command_key cli/command_passwd cli/command_key_change cli/command_manage_key cli/command_range cli/command_limit \
              cli/command_audit cli/command_log cli/command_status cli/command_top cli/screen cli/use cli/use_group cli/command_metrics cli/metrics cli/metrics_owners cli/status_check cli/threshold cli/run_status cli/duration cli/command_check cli/check_repair cli/command_set cli/command_exec cli/command_ls cli/command_copy cli/copy cli/stored cli/account_path cli/exec_account cli/exec_namespace cli/container cli/container_find confine/user_namespace index/verdict cli/command_idmap cli/idmap_podman cli/listed cli/lookup cli/container_ids cli/command_socket cli/relay \
              $(RECORDS) $(ACCOUNT) $(PASSWD) $(SECCOMP) varlink/stream varlink/scan varlink/client \
              cli/command_import cli/import_text cli/import_rows cli/import_batch cli/command_export \
              cli/command_state cli/command_host cli/own_program cli/program cli/daemon \
              cli/command_adopt cli/subid_text subid/remove subid/found subid/lines subid/line subid/text subid/lock confine/path $(INDEX)
# Reads what ssh clients send, as an owner or a sub-account: the table of commands, and nothing of subuid itself.
MANAGE      = cli/manage cli/manage_split cli/manage_command $(USAGE) $(RECORDS) confine/harden confine/landlock $(INDEX)
HOST        = setup/main setup/setup setup/say setup/file setup/file_deed setup/record setup/revert setup/pam_files setup/service setup/sshd setup/steps setup/subid setup/withdraw setup/running \
              setup/users setup/text setup/text_nsswitch setup/nsswitch_line setup/text_network setup/network setup/text_pam \
              setup/doctor setup/found setup/doctor_kernel setup/doctor_host setup/doctor_linger setup/doctor_userdb setup/doctor_tools setup/doctor_subid setup/doctor_subid_order setup/doctor_containers setup/trial setup/containers setup/lxc setup/pass setup/text_lines setup/homes setup/disk setup/text_fstab setup/doctor_sshd setup/doctor_passwords setup/doctor_manage setup/doctor_state setup/doctor_owners \
              cli/arguments cli/options cli/duration $(USAGE) $(RECORDS) cli/complain cli/call cli/print cli/program cli/daemon subid/line subid/lock subid/chain account/advice index/state_look \
              confine/path confine/landlock confine/mounts confine/view confine/user_namespace index/session_rules \
              account/date $(ACCOUNT) $(PASSWD) $(INDEX) varlink/stream varlink/scan varlink/client
RRSYNC      = backup/rrsync backup/gate_snapshots account/snapshot backup/secluded backup/secluded_read backup/probe backup/gate_policy backup/gate_confine backup/gate_lock backup/gate_names backup/name_table backup/command_line \
              backup/brace backup/text_list backup/refuse backup/report \
              backup/rsync_options backup/rsync_request backup/rsync_arguments backup/rsync_paths backup/rsync_binary \
              confine/harden confine/limits confine/landlock confine/loader confine/path confine/private_root confine/mounts confine/namespaces $(SECCOMP) account/name
AUTHKEYS    = backup/authorized_keys backup/probe backup/login_command index/verdict confine/harden confine/landlock $(ACCOUNT) $(INDEX)
TOOL        = backup/tool account/snapshot backup/login_words backup/probe backup/tool_load backup/tool_profile backup/tool_command backup/tool_confine backup/new_files backup/tool_environment backup/tool_try backup/shell backup/shell_words backup/shell_confine backup/connector \
              backup/gate_policy backup/command_line backup/text_list backup/refuse backup/report account/role account/shell account/name account/id \
              confine/harden confine/limits confine/landlock confine/loader confine/private_root confine/mounts confine/namespaces confine/path $(SECCOMP)
REFUSAL     = backup/refusal backup/sftp_refusal backup/refuse account/name confine/harden confine/limits confine/landlock $(SECCOMP)
SFTP_APPEND = backup/sftp_append backup/sftp_stream
GIT_UPDATE  = backup/git_update
USER_MANAGER = pam/user_manager $(INDEX) account/name account/id
USERDB      = $(BOUNDS) userdb/main userdb/serve userdb/peers userdb/methods userdb/record varlink/stream varlink/server varlink/service \
              confine/harden confine/identity confine/landlock $(SECCOMP) $(INDEX) account/name account/id
VERIFY      = verify/main verify/serve verify/work verify/queue verify/check verify/tries account/password account/password_from account/key_from account/date index/verdict \
              confine/harden confine/landlock $(SECCOMP) $(INDEX) account/name account/id
LOGIN       = $(BOUNDS) $(SECCOMP) backup/bandwidth backup/throttle backup/login backup/login_grant backup/login_end account/session_end backup/login_words backup/probe backup/login_command backup/run_watch backup/run_describe backup/run_files backup/run_spool backup/run_connection backup/run_end backup/pace backup/file_count backup/run_added backup/sftp_log backup/report index/verdict confine/harden $(ACCOUNT) $(INDEX)

# ---- guests: in other people's processes; libc (and libpam) only -------------------
NSS         = nss/passwd nss/group nss/initgroups nss/shadow nss/answer $(INDEX) account/name account/id
SUBID       = subid/guest/guest subid/guest/pieces subid/guest/user subid/guest/index subid/guest/files subid/guest/chain subid/chain subid/line $(INDEX) \
              $(PASSWD) account/name account/id
OWN_NAME    = account/snapshot backup/own_name backup/own_root backup/own_new_files backup/own_restic
PAM         = $(BOUNDS) account/snapshot pam/pam_subuid index/verdict index/verdict_owner pam/session pam/password pam/rehash pam/grant pam/session_private pam/group pam/private pam/private_system pam/private_places pam/private_names pam/private_files pam/refuse pam/item pam/bounds confine/limits pam/slots account/session_end account/key_words account/login_line account/shell account/password account/role confine/mounts confine/path index/session_rules $(INDEX) $(PASSWD) account/name account/id pam/session_manager

SUBUIDD_LIBS  = -lsqlite3 -lsystemd -lcap-ng -leconf -lbtrfsutil -lacl -lmd
STATE_LIBS    = -lsqlite3 -leconf -lacl -lmd -ljansson
WORKER_LIBS   = -ljansson -lcrypt
SUBUID_LIBS   = -ljansson
USERDB_LIBS   = -ljansson -lcap-ng
VERIFY_LIBS   = -lcrypt
PAM_LIBS      = -lpam

# ---- rules -------------------------------------------------------------------------
B        = $(BUILD)/bin
objs     = $(sort $(patsubst %,$(BUILD)/%.o,$(1))) # lists may overlap
PROGRAMS = $(addprefix $(B)/,subuidd worker subuid subuid-rrsync authorized-keys login user-manager userdb verify tool sftp-append git-update refusal state host manage own-name.so libnss_subuid.so.2 libsubid_subuid.so pam_subuid.so)
# Texts that are made from tables (rules below).
INTERFACE  = $(BUILD)/varlink/io.subuidd.Accounts.varlink
COMPLETION = $(BUILD)/cli/subuid.bash
MANUAL     = $(BUILD)/man/subuid.1

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all clean install uninstall deps install-deps demo check check-unit check-e2e check-layers lint fuzz bench help \
  debug format print-defs print-packages
all: $(PROGRAMS) $(COMPLETION) $(MANUAL) ## the programs, in build/bin (the default)

# Every target that has a line of help behind its name, and the variables that are worth knowing.
help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 23
	@echo 'Variables: BUILD=build CC=gcc WERROR=-Werror PREFIX=/usr DESTDIR= SUITE=bookworm|trixie FUZZ_SECONDS=5'

# AddressSanitizer and UndefinedBehaviorSanitizer, nothing optimised, objects of their own. CONTRIBUTING.md says how to run it.
SANITIZE = -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
debug: ## the programs with ASan and UBSan, in build/debug/bin
	$(MAKE_ALL) BUILD=$(BUILD)/debug HARDEN= HARDEN_LD= CFLAGS='-O0 -g3 $(SANITIZE)' all

FILES ?= $(shell git ls-files '*.c' '*.h')
format: ## clang-format -i over FILES (all by default)
	clang-format -i $(FILES)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

define exe
$(B)/$(1): $$(call objs,$(2)) | $(B)
	$$(LINK_EXE) -o $$@ $$(call objs,$(2)) $(3)
OBJECTS += $$(call objs,$(2))
endef
define guest
$(B)/$(1): $$(call objs,$(2)) $(4) | $(B)
	$$(LINK_GUEST) -Wl,--version-script=$(4) -Wl,-soname,$(1) -o $$@ $$(call objs,$(2)) $(3)
OBJECTS += $$(call objs,$(2))
endef

$(eval $(call exe,subuidd,$(SUBUIDD),$(SUBUIDD_LIBS)))
$(eval $(call exe,worker,$(WORKER),$(WORKER_LIBS)))
$(eval $(call exe,subuid,$(SUBUID),$(SUBUID_LIBS)))
$(eval $(call exe,subuid-rrsync,$(RRSYNC),))
$(eval $(call exe,authorized-keys,$(AUTHKEYS),))
$(eval $(call exe,login,$(LOGIN),))
$(eval $(call exe,user-manager,$(USER_MANAGER),))
$(eval $(call exe,userdb,$(USERDB),$(USERDB_LIBS)))
$(eval $(call exe,verify,$(VERIFY),$(VERIFY_LIBS)))
$(eval $(call exe,tool,$(TOOL),))
$(eval $(call exe,state,$(STATE),$(STATE_LIBS)))
$(eval $(call exe,host,$(HOST),$(SUBUID_LIBS) -lacl))
$(eval $(call exe,manage,$(MANAGE),))
$(eval $(call exe,sftp-append,$(SFTP_APPEND),))
$(eval $(call exe,git-update,$(GIT_UPDATE),))
$(eval $(call exe,refusal,$(REFUSAL),))
$(eval $(call guest,own-name.so,$(OWN_NAME),,backup/own_name.map))
$(eval $(call guest,libnss_subuid.so.2,$(NSS),,nss/libnss_subuid.map))
$(eval $(call guest,libsubid_subuid.so,$(SUBID),,subid/guest/libsubid_subuid.map))
$(eval $(call guest,pam_subuid.so,$(PAM),$(PAM_LIBS),pam/pam_subuid.map))

$(B):
	@mkdir -p $@

# The text of the interface is made from the tables of records and messages.
$(BUILD)/make-interface: $(call objs,subuidd/wire/make_interface $(WIRE) $(ACCOUNT))
	$(LINK_EXE) -o $@ $^
$(INTERFACE): varlink/io.subuidd.Accounts.varlink.in $(BUILD)/make-interface
	@mkdir -p $(@D)
	$(BUILD)/make-interface < $< > $@
OBJECTS += $(BUILD)/subuidd/wire/make_interface.o

# The completion and the options of subuid(1) are made from the table of commands.
$(BUILD)/make-docs: $(call objs,cli/make_docs $(USAGE) $(RECORDS))
	$(LINK_EXE) -o $@ $^
$(COMPLETION): cli/subuid.bash.in $(BUILD)/make-docs
	@mkdir -p $(@D)
	$(BUILD)/make-docs completion < $< > $@
$(MANUAL): man/subuid.1.in $(BUILD)/make-docs
	@mkdir -p $(@D)
	$(BUILD)/make-docs manual < $< > $@
OBJECTS += $(BUILD)/cli/make_docs.o

# The worker hands out that text itself.
$(BUILD)/varlink/interface_text.c: $(INTERFACE)
	@mkdir -p $(@D)
	{ echo 'const char interface_text[] = {'; od -An -v -tx1 $< | sed 's/\([0-9a-f][0-9a-f]\)/0x\1,/g'; echo '0};'; } > $@
$(BUILD)/varlink/interface_text.o: $(BUILD)/varlink/interface_text.c
	$(COMPILE) -Wno-missing-variable-declarations -c -o $@ $<

# The system call filters are made by libseccomp here and now: to make them at each start of the
# gate would take longer than all else that it does.
MAKE_FILTERS = confine/seccomp_rules confine/seccomp_rule confine/seccomp_rsync confine/seccomp_tool confine/seccomp_shell confine/seccomp_worker
$(BUILD)/confine/make-filters: $(call objs,$(MAKE_FILTERS))
	$(LINK_EXE) -o $@ $^ -lseccomp
$(BUILD)/confine/seccomp_filters.c: $(BUILD)/confine/make-filters
	$< > $@
$(BUILD)/confine/seccomp_filters.o: $(BUILD)/confine/seccomp_filters.c
	$(COMPILE) -c -o $@ $<
OBJECTS += $(call objs,$(MAKE_FILTERS))

include tests/tests.mk

UNITS = subuidd.service subuidd.socket subuidd-mounts.service subuidd-handed.socket subuidd-save.service subuidd-save.timer subuidd-userdb.service subuidd-verify.socket subuidd-verify.service \
  subuidd-metrics.service subuidd-metrics.timer
# The texts of the tree name the places of PREFIX=/usr, or @LIBEXECDIR@; what is installed names its own.
PLACES = sed -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g' -e 's|/usr/libexec/subuidd|$(LIBEXECDIR)|g' -e 's|/usr/sbin/subuidd|$(SBINDIR)/subuidd|g' \
  -e 's|/usr/bin/subuid|$(BINDIR)/subuid|g' -e 's|/usr/lib/subuidd|$(PREFIX)/lib/subuidd|g' \
  -e 's|/usr/share/subuidd|$(PREFIX)/share/subuidd|g' -e 's|/usr/lib/systemd/system/user@|$(UNITDIR)/user@|g' \
  -e 's|/usr/share/polkit-1/rules.d|$(POLKIT_RULES)|g' -e 's|^\.Pa /usr/lib \([,.]\)$$|.Pa $(PREFIX)/lib \1|'
PUT_TEXTS = put() { $(PLACES) "$$1" > "$$2" && chmod 0644 "$$2" || exit 1; }; put_in() { d=$$1; shift; for f; do put "$$f" "$$d/$${f\#\#*/}"; done; }
install: all ## everything below PREFIX and DESTDIR; `subuid setup` switches a host on
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(TOOLSDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(LIBDIR)/security \
	  $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(USER_MANAGER_DROPIN) \
	  $(DESTDIR)$(PREFIX)/share/subuidd/hooks $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8
	mkdir -p $(DESTDIR)$(POLKIT_RULES) # its mode is polkit's
	install -m 0755 $(B)/subuidd $(DESTDIR)$(SBINDIR)/subuidd
	install -m 0755 $(B)/subuid $(B)/subuid-rrsync $(DESTDIR)$(BINDIR)
	install -m 0755 $(B)/tool $(B)/sftp-append $(B)/refusal $(B)/state $(B)/host $(B)/user-manager $(DESTDIR)$(LIBEXECDIR)
	install -d $(DESTDIR)$(LIBEXECDIR)/git-hooks
	install -m 0755 $(B)/git-update $(DESTDIR)$(LIBEXECDIR)/git-hooks/update
	@# Nobody may read them: who has their uid could write into one that has just begun (docs/design.md, "Helpers").
	install -m 0711 $(B)/worker $(B)/authorized-keys $(B)/login $(B)/userdb $(B)/verify $(B)/manage $(DESTDIR)$(LIBEXECDIR)
	install -m 0644 $(B)/libnss_subuid.so.2 $(B)/libsubid_subuid.so $(DESTDIR)$(LIBDIR)
	install -m 0644 $(B)/pam_subuid.so $(DESTDIR)$(LIBDIR)/security/pam_subuid.so
	install -m 0644 $(B)/own-name.so $(DESTDIR)$(LIBEXECDIR)/own-name.so
	install -m 0644 backup/borg_serve.py $(DESTDIR)$(LIBEXECDIR)/borg-serve
	install -m 0644 backup/rdiff_serve.py $(DESTDIR)$(LIBEXECDIR)/rdiff-serve
	install -m 0755 subuidd/hooks/mail subuidd/hooks/post $(DESTDIR)$(PREFIX)/share/subuidd/hooks
	install -d $(DESTDIR)$(PREFIX)/share/subuidd/prometheus
	install -m 0644 subuidd/prometheus/alerts.yml $(DESTDIR)$(PREFIX)/share/subuidd/prometheus
	install -m 0644 $(INTERFACE) $(DESTDIR)$(PREFIX)/share/subuidd
	install -m 0644 $(COMPLETION) $(DESTDIR)$(PREFIX)/share/bash-completion/completions/subuid
	$(PUT_TEXTS); put_in $(DESTDIR)$(TOOLSDIR) $(patsubst %,backup/tools.d/%.conf,$(TOOL_PROFILES)); \
	  put_in $(DESTDIR)$(UNITDIR) $(addprefix subuidd/,$(UNITS)); \
	  put pam/user-manager.conf $(DESTDIR)$(USER_MANAGER_DROPIN)/50-subuidd.conf; \
	  put pam/polkit.rules $(DESTDIR)$(POLKIT_RULES)/40-subuidd.rules; \
	  put_in $(DESTDIR)$(PREFIX)/share/subuidd subuidd/network.conf backup/sshd.conf; \
	  put subuidd/subuidd.conf $(DESTDIR)$(PREFIX)/lib/subuidd.conf; \
	  put_in $(DESTDIR)$(MANDIR)/man1 $(MANUAL) $(wildcard man/*.1); \
	  put_in $(DESTDIR)$(MANDIR)/man5 $(wildcard man/*.5); put_in $(DESTDIR)$(MANDIR)/man8 $(wildcard man/*.8)
	$(LINKER_TELL)

# The linker's cache has the libraries of /usr/local by their names. Those of /usr are found without it, but each process
# that loads one of ours looks for it in some twenty directories first. A package has its triggers for this.
LINKER_TELL = $(if $(DESTDIR),,PATH=$$PATH:/usr/sbin:/sbin ldconfig)
uninstall: ## removes what install has put there (`subuid setup --undo` comes first)
	rm -f $(DESTDIR)$(SBINDIR)/subuidd $(DESTDIR)$(BINDIR)/subuid $(DESTDIR)$(BINDIR)/subuid-rrsync \
	  $(DESTDIR)$(LIBDIR)/libnss_subuid.so.2 $(DESTDIR)$(LIBDIR)/libsubid_subuid.so $(DESTDIR)$(LIBDIR)/security/pam_subuid.so \
	  $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS)) \
	  $(DESTDIR)$(USER_MANAGER_DROPIN)/50-subuidd.conf $(DESTDIR)$(POLKIT_RULES)/40-subuidd.rules \
	  $(DESTDIR)$(PREFIX)/lib/subuidd.conf $(DESTDIR)$(PREFIX)/share/bash-completion/completions/subuid \
	  $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(MANUAL) $(wildcard man/*.1))) \
	  $(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(wildcard man/*.5))) \
	  $(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(wildcard man/*.8)))
	rm -rf $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(PREFIX)/lib/subuidd $(DESTDIR)$(PREFIX)/share/subuidd
	$(LINKER_TELL)

clean: ## removes build/
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d)
