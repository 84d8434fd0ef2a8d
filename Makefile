# SPDX-License-Identifier: ISC
# subuidd: one Makefile, not recursive. The object lists below are the map of who
# can reach what: code that is not in a program's list is not in that program.

PREFIX     ?= /usr
BINDIR      = $(PREFIX)/bin
SBINDIR     = $(PREFIX)/sbin
LIBEXECDIR  = $(PREFIX)/libexec/subuidd
TOOLSDIR    = $(PREFIX)/lib/subuidd/tools.d
MULTIARCH  := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR     ?= $(PREFIX)/lib$(if $(MULTIARCH),/$(MULTIARCH))
MANDIR      = $(PREFIX)/share/man
SYSCONFDIR ?= /etc
STATE_DIR  ?= /var/lib/subuidd
RUN_DIR    ?= /run/subuidd
DESTDIR    ?=
USER_MANAGER_DROPIN = $(PREFIX)/lib/systemd/system/user@.service.d
POLKIT_RULES = $(PREFIX)/share/polkit-1/rules.d
VERSION    := 0.1.0

BUILD      ?= build
CFLAGS     ?= -O2 -g
WARN        = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
              -Wformat=2 -Wvla -Wundef -Wcast-qual -Wwrite-strings $(WERROR)
HARDEN     ?= -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
              $(if $(filter x86_64%,$(MULTIARCH)),-fcf-protection)
HARDEN_LD  ?= -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
DEFS        = -D_GNU_SOURCE -I. -DVERSION='"$(VERSION)"' -DSTATE_DIR='"$(STATE_DIR)"' -DRUN_DIR='"$(RUN_DIR)"' \
              -DLIBEXECDIR='"$(LIBEXECDIR)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' -DBINDIR='"$(BINDIR)"' -DSBINDIR='"$(SBINDIR)"' -DLIBDIR='"$(LIBDIR)"' -DDATADIR='"$(PREFIX)/share/subuidd"' \
              -DTOOLSDIR='"$(TOOLSDIR)"' -DUSER_MANAGER_DROPIN='"$(USER_MANAGER_DROPIN)"' -DPOLKIT_RULES='"$(POLKIT_RULES)"'
COMPILE     = $(CC) -std=gnu17 -fPIC -fvisibility=hidden $(WARN) $(DEFS) $(HARDEN) $(CFLAGS) $(CPPFLAGS) -MMD -MP
LINK_EXE    = $(CC) -pie $(HARDEN_LD) $(CFLAGS) $(LDFLAGS)
LINK_GUEST  = $(CC) -shared $(HARDEN_LD) -Wl,-z,defs -Wl,-z,nodelete $(CFLAGS) $(LDFLAGS)

# ---- what an account is: libc only ------------------------------------------------
ACCOUNT     = account/name account/id account/fields account/run account/failure account/role account/key account/key_blob account/key_from
RECORDS     = account/record account/records account/date account/failure account/fields account/name account/id
INDEX       = index/index index/map index/view index/list index/check account/range_name
FINGERPRINT = account/fingerprint
PASSWD      = account/passwd account/source
SECCOMP     = confine/seccomp confine/seccomp_filters
INDEX_WRITER = index/writer/writer index/writer/file index/writer/place index/writer/list index/writer/entry \
              index/writer/verify index/writer/peek index/writer/grow index/writer/size index/writer/prune index/writer/guard index/writer/account index/writer/range index/writer/key index/writer/way

WIRE        = subuidd/wire/wire subuidd/wire/messages subuidd/wire/request $(RECORDS)

# ---- programs ----------------------------------------------------------------------
STORE       = subuidd/store/sqlite subuidd/store/statement subuidd/store/schema subuidd/store/schema_check subuidd/store/sql subuidd/store/ids \
              subuidd/store/account subuidd/store/facts subuidd/store/sql_text subuidd/store/key subuidd/store/range subuidd/store/run subuidd/store/audit subuidd/store/copy subuidd/store/hash subuidd/store/high_water \
              subuidd/store/digest subuidd/store/readable subuidd/store/marks subuidd/store/reserve subuidd/store/state $(RECORDS)
SUBUIDD     = subuidd/main subuidd/broker subuidd/life/evidence subuidd/life/evidence_disk subuidd/life/evidence_beside subuidd/call/earlier account/date subuidd/call/watermark subuidd/base/trouble subuidd/door/listen subuidd/base/handed subuidd/door/shares subuidd/door/workers subuidd/door/worker_channel subuidd/door/spawn subuidd/base/child \
              subuidd/door/operation subuidd/call/call subuidd/call/call_fail subuidd/call/maintain subuidd/call/account_view subuidd/call/caller subuidd/call/audit subuidd/call/tally \
              subuidd/op/account subuidd/op/add subuidd/op/key subuidd/op/range subuidd/op/churn subuidd/op/limit subuidd/op/release subuidd/op/check subuidd/op/check_index subuidd/op/check_disk subuidd/op/check_removed subuidd/op/repair \
              subuidd/op/audit subuidd/op/run subuidd/runs/runs subuidd/life/meter subuidd/runs/alarm subuidd/runs/alarm_pace subuidd/runs/hook subuidd/op/status subuidd/op/import subuidd/op/import_row subuidd/op/import_make subuidd/op/import_look subuidd/op/rehearsal subuidd/op/claim subuidd/op/disk subuidd/life/strays subuidd/subid/line \
              subuidd/op/check_child subuidd/op/check_account subuidd/op/check_link subuidd/op/check_files subuidd/life/frozen subuidd/op/state \
              subuidd/life/lifecycle subuidd/life/mend subuidd/call/refusal subuidd/life/recovery subuidd/publish/publish subuidd/publish/publish_build subuidd/life/removal subuidd/life/purge subuidd/call/known_time subuidd/call/room subuidd/life/urgent subuidd/publish/withheld \
              subuidd/subid/publish subuidd/subid/watch subuidd/subid/write subuidd/subid/plan subuidd/subid/stale subuidd/subid/join subuidd/subid/owners \
              subuidd/subid/found subuidd/subid/lines subuidd/subid/text account/subid_lock \
              subuidd/base/settings subuidd/base/settings_file subuidd/ids/allocate subuidd/ids/group subuidd/ids/local subuidd/ids/probe subuidd/ids/probe_ahead subuidd/ids/probe_chain subuidd/ids/projects subuidd/ids/subid_files \
              $(WIRE) subuidd/base/log subuidd/base/state_directory subuidd/state/save subuidd/state/format \
              $(STORE) \
              $(INDEX_WRITER) subuidd/home/home subuidd/home/make subuidd/home/look subuidd/home/view subuidd/home/acl subuidd/home/quota subuidd/home/quota_disk subuidd/home/quota_btrfs subuidd/home/ids subuidd/home/count subuidd/home/tree_count \
              subuidd/home/link subuidd/home/link_many subuidd/home/link_forker subuidd/home/purge subuidd/home/mounts subuidd/home/mount_look subuidd/home/subvolumes subuidd/home/tree subuidd/home/sessions subuidd/home/session_find subuidd/home/traces subuidd/home/walk confine/child \
              confine/harden confine/identity confine/path confine/view confine/user_namespace confine/landlock \
              subuidd/home/link_mend subuidd/home/link_look subuidd/home/mend subuidd/home/leftover \
              account/advice index/state_look account/part index/walk \
              $(ACCOUNT) $(INDEX) $(FINGERPRINT) $(PASSWD)
STATE       = subuidd/state/main subuidd/state/words subuidd/state/place subuidd/base/state_directory subuidd/state/format subuidd/state/save \
              subuidd/state/copy subuidd/state/verify subuidd/state/target subuidd/state/daily subuidd/state/deliver subuidd/state/host \
              subuidd/state/compare subuidd/state/compare_host subuidd/state/compare_users subuidd/ids/subid_files subuidd/state/replace subuidd/state/load subuidd/state/repair \
              subuidd/base/trouble subuidd/call/earlier index/writer/peek subuidd/base/settings subuidd/base/settings_file subuidd/home/walk subuidd/home/home subuidd/home/acl subuidd/home/view subuidd/home/mount_look $(STORE) \
              confine/path confine/view confine/user_namespace account/date account/name account/id account/fields \
              account/role $(INDEX) $(PASSWD)
WORKER      = subuidd/worker/worker account/part subuidd/worker/serve subuidd/worker/parse subuidd/worker/key subuidd/worker/import subuidd/worker/import_row subuidd/worker/field subuidd/worker/record_json \
              subuidd/worker/answer varlink/text $(WIRE) \
              varlink/stream varlink/server varlink/service varlink/interface_text \
              confine/harden confine/landlock $(SECCOMP) account/date $(ACCOUNT)
SUBUID      = cli/main cli/arguments cli/options cli/facts cli/fact_value cli/complain cli/account_name cli/call cli/print cli/row cli/rows cli/new_key cli/client \
              cli/command_add cli/command_list cli/command_lock cli/command_key cli/command_range cli/command_limit \
              cli/command_audit cli/command_log cli/command_status cli/run_status cli/duration cli/command_check cli/check_repair cli/command_set cli/command_exec cli/command_ls cli/command_copy cli/copy cli/stored cli/account_path cli/exec_account cli/exec_namespace cli/command_idmap cli/lookup \
              $(RECORDS) $(ACCOUNT) $(PASSWD) varlink/stream varlink/scan varlink/client \
              cli/command_import cli/import_text cli/import_rows cli/import_batch cli/command_export \
              cli/command_state cli/command_host cli/own_program cli/program cli/daemon \
              cli/command_adopt cli/subid_text cli/subid_remove account/subid_lock confine/path $(INDEX)
HOST        = setup/main setup/setup setup/say setup/file setup/file_deed setup/record setup/revert setup/pam_files setup/service setup/sshd setup/steps setup/subid \
              setup/users setup/text setup/text_nsswitch setup/text_network setup/network setup/text_pam \
              setup/doctor setup/found setup/doctor_kernel setup/doctor_host setup/doctor_linger setup/doctor_subid setup/doctor_sshd setup/doctor_state \
              cli/arguments cli/complain cli/call cli/print cli/program cli/daemon cli/subid_text account/subid_lock account/advice index/state_look \
              confine/path confine/landlock confine/view confine/user_namespace \
              account/date $(ACCOUNT) $(PASSWD) $(INDEX) varlink/stream varlink/scan varlink/client
RRSYNC      = backup/rrsync backup/gate_policy backup/gate_confine backup/gate_lock backup/gate_names backup/name_table backup/command_line \
              backup/brace backup/text_list backup/refuse backup/file_count \
              backup/rsync_options backup/rsync_request backup/rsync_arguments backup/rsync_paths backup/rsync_binary \
              confine/harden confine/limits confine/landlock confine/loader confine/path confine/private_root $(SECCOMP) account/name
AUTHKEYS    = backup/authorized_keys backup/login_command confine/harden confine/landlock $(ACCOUNT) $(INDEX)
TOOL        = backup/tool backup/tool_load backup/tool_profile backup/tool_command backup/tool_confine \
              backup/gate_policy backup/command_line backup/text_list backup/refuse account/role account/name account/id \
              confine/harden confine/limits confine/landlock confine/loader confine/private_root confine/path $(SECCOMP)
SFTP_APPEND = backup/sftp_append backup/sftp_stream
USER_MANAGER = pam/user_manager $(INDEX) account/name account/id
LOGIN       = backup/login backup/login_command backup/run_watch backup/run_files backup/run_spool backup/run_connection backup/run_end backup/pace backup/file_count confine/harden $(ACCOUNT) $(INDEX)

# ---- guests: in other people's processes; libc (and libpam) only -------------------
NSS         = nss/passwd nss/group nss/initgroups nss/shadow nss/answer $(INDEX) account/name account/id
SUBID       = nss/subid nss/subid_pieces nss/subid_user nss/subid_index nss/subid_files nss/subid_chain $(INDEX) \
              $(PASSWD) account/name account/id
OWN_NAME    = backup/own_name
PAM         = pam/pam_subuid pam/verdict pam/owner pam/session pam/refuse pam/slots $(INDEX) $(PASSWD) account/name account/id

SUBUIDD_LIBS  = -lsqlite3 -lsystemd -lcap-ng -leconf -lbtrfsutil -lacl -lmd
STATE_LIBS    = -lsqlite3 -leconf -lacl -lmd -ljansson
WORKER_LIBS   = -ljansson
SUBUID_LIBS   = -ljansson
PAM_LIBS      = -lpam

# ---- rules -------------------------------------------------------------------------
B        = $(BUILD)/bin
objs     = $(sort $(patsubst %,$(BUILD)/%.o,$(1))) # lists may overlap
PROGRAMS = $(addprefix $(B)/,subuidd worker subuid subuid-rrsync authorized-keys login user-manager tool sftp-append state host own-name.so libnss_subuid.so.2 libsubid_subuid.so pam_subuid.so)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all clean install uninstall deps install-deps demo check check-unit check-e2e check-layers lint fuzz bench help \
  debug format print-defs print-packages
all: $(PROGRAMS) ## the programs, in build/bin (the default)

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
$(eval $(call exe,tool,$(TOOL),))
$(eval $(call exe,state,$(STATE),$(STATE_LIBS)))
$(eval $(call exe,host,$(HOST),$(SUBUID_LIBS)))
$(eval $(call exe,sftp-append,$(SFTP_APPEND),))
$(eval $(call guest,own-name.so,$(OWN_NAME),,backup/own_name.map))
$(eval $(call guest,libnss_subuid.so.2,$(NSS),,nss/libnss_subuid.map))
$(eval $(call guest,libsubid_subuid.so,$(SUBID),,nss/libsubid_subuid.map))
$(eval $(call guest,pam_subuid.so,$(PAM),$(PAM_LIBS),pam/pam_subuid.map))

$(B):
	@mkdir -p $@

# The interface text that the worker hands out is the .varlink file itself.
$(BUILD)/varlink/interface_text.c: varlink/io.subuidd.Accounts.varlink
	@mkdir -p $(@D)
	{ echo 'const char interface_text[] = {'; od -An -v -tx1 $< | sed 's/\([0-9a-f][0-9a-f]\)/0x\1,/g'; echo '0};'; } > $@
$(BUILD)/varlink/interface_text.o: $(BUILD)/varlink/interface_text.c
	$(COMPILE) -Wno-missing-variable-declarations -c -o $@ $<

# The system call filters are made by libseccomp here and now: to make them at each start of the
# gate would take longer than all else that it does.
$(BUILD)/confine/make-filters: $(BUILD)/confine/seccomp_rules.o
	$(LINK_EXE) -o $@ $< -lseccomp
$(BUILD)/confine/seccomp_filters.c: $(BUILD)/confine/make-filters
	$< > $@
$(BUILD)/confine/seccomp_filters.o: $(BUILD)/confine/seccomp_filters.c
	$(COMPILE) -c -o $@ $<
OBJECTS += $(BUILD)/confine/seccomp_rules.o

include tests/tests.mk

UNITS = subuidd.service subuidd.socket subuidd-mounts.service subuidd-handed.socket subuidd-save.service subuidd-save.timer
install: all ## everything below PREFIX and DESTDIR; `subuid setup` switches a host on
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(TOOLSDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(LIBDIR)/security \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/subuidd $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8
	install -m 0755 $(B)/subuidd $(DESTDIR)$(SBINDIR)/subuidd
	install -m 0755 $(B)/subuid $(B)/subuid-rrsync $(DESTDIR)$(BINDIR)
	install -m 0755 $(B)/tool $(B)/sftp-append $(B)/state $(B)/host $(B)/user-manager $(DESTDIR)$(LIBEXECDIR)
	@# Nobody may read them: who has their uid could write into one that has just begun (docs/design.md, "Helpers").
	install -m 0711 $(B)/worker $(B)/authorized-keys $(B)/login $(DESTDIR)$(LIBEXECDIR)
	install -m 0644 $(B)/libnss_subuid.so.2 $(DESTDIR)$(LIBDIR)/libnss_subuid.so.2
	install -m 0644 $(B)/libsubid_subuid.so $(DESTDIR)$(LIBDIR)/libsubid_subuid.so
	install -m 0644 $(B)/pam_subuid.so $(DESTDIR)$(LIBDIR)/security/pam_subuid.so
	install -m 0644 $(B)/own-name.so $(DESTDIR)$(LIBEXECDIR)/own-name.so
	for f in sftp borg restic; do sed "s|@LIBEXECDIR@|$(LIBEXECDIR)|g" backup/tools.d/$$f.conf \
	  > $(DESTDIR)$(TOOLSDIR)/$$f.conf && chmod 0644 $(DESTDIR)$(TOOLSDIR)/$$f.conf || exit 1; done
	install -m 0644 $(addprefix subuidd/,$(UNITS)) $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -d $(DESTDIR)$(USER_MANAGER_DROPIN)
	sed "s|@LIBEXECDIR@|$(LIBEXECDIR)|g" pam/user-manager.conf > $(DESTDIR)$(USER_MANAGER_DROPIN)/50-subuidd.conf
	chmod 0644 $(DESTDIR)$(USER_MANAGER_DROPIN)/50-subuidd.conf
	mkdir -p $(DESTDIR)$(POLKIT_RULES) # its mode is polkit's
	sed "s|@LIBEXECDIR@|$(LIBEXECDIR)|g" pam/polkit.rules > $(DESTDIR)$(POLKIT_RULES)/40-subuidd.rules
	chmod 0644 $(DESTDIR)$(POLKIT_RULES)/40-subuidd.rules
	install -m 0644 subuidd/network.conf $(DESTDIR)$(PREFIX)/share/subuidd
	install -m 0644 subuidd/subuidd.conf $(DESTDIR)$(PREFIX)/lib/subuidd.conf
	install -m 0644 varlink/io.subuidd.Accounts.varlink $(DESTDIR)$(PREFIX)/share/subuidd
	sed "s|@LIBEXECDIR@|$(LIBEXECDIR)|g" backup/sshd.conf > $(DESTDIR)$(PREFIX)/share/subuidd/sshd.conf
	chmod 0644 $(DESTDIR)$(PREFIX)/share/subuidd/sshd.conf
	install -m 0644 cli/subuid.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/subuid
	install -m 0644 $(wildcard man/*.1) $(DESTDIR)$(MANDIR)/man1
	install -m 0644 $(wildcard man/*.5) $(DESTDIR)$(MANDIR)/man5
	install -m 0644 $(wildcard man/*.8) $(DESTDIR)$(MANDIR)/man8

uninstall: ## removes what install has put there (`subuid setup --undo` comes first)
	rm -f $(DESTDIR)$(SBINDIR)/subuidd $(DESTDIR)$(BINDIR)/subuid $(DESTDIR)$(BINDIR)/subuid-rrsync \
	  $(DESTDIR)$(LIBDIR)/libnss_subuid.so.2 $(DESTDIR)$(LIBDIR)/libsubid_subuid.so $(DESTDIR)$(LIBDIR)/security/pam_subuid.so \
	  $(addprefix $(DESTDIR)$(PREFIX)/lib/systemd/system/,$(UNITS)) \
	  $(DESTDIR)$(USER_MANAGER_DROPIN)/50-subuidd.conf $(DESTDIR)$(POLKIT_RULES)/40-subuidd.rules \
	  $(DESTDIR)$(PREFIX)/lib/subuidd.conf $(DESTDIR)$(PREFIX)/share/bash-completion/completions/subuid \
	  $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(wildcard man/*.1))) \
	  $(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(wildcard man/*.5))) \
	  $(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(wildcard man/*.8)))
	rm -rf $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(PREFIX)/lib/subuidd $(DESTDIR)$(PREFIX)/share/subuidd

clean: ## removes build/
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d)
