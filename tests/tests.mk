# SPDX-License-Identifier: ISC
# Tests, lint, fuzzers and benchmarks. Included by the Makefile of the project.

# ---- unit tests (cmocka, no root): tests/unit/test_NAME.c with the objects of NAME_OBJS
UNIT =

# name objects: UNIT += test_name
name_OBJS      = account/name account/id account/failure account/role
UNIT          += name

define unit
$(BUILD)/tests/test_$(1): $$(call objs,tests/unit/test_$(1) $$($(1)_OBJS))
	@mkdir -p $$(@D)
	$$(LINK_EXE) -o $$@ $$^ -lcmocka $$($(1)_LIBS)
OBJECTS += $$(call objs,tests/unit/test_$(1) $$($(1)_OBJS))
endef
$(foreach t,$(UNIT),$(eval $(call unit,$(t))))

check-unit: $(addprefix $(BUILD)/tests/test_,$(UNIT))
	@set -e; for t in $^; do echo "== $$t"; $$t; done

# ---- end to end (pytest, real everything, in a throwaway root; needs root)
check-e2e: all
	/usr/bin/python3 -m pytest -q tests/e2e

# ---- who may include whom
check-layers:
	tests/layers

check: check-layers check-unit check-e2e
