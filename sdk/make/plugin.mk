# SPDX-License-Identifier: MIT
# plugin.mk: make rules for a plugin of repx (GNU make). A Makefile says
#
#     PLUGIN = sched-mine
#     SOURCES = mine.c
#     include $(shell pkg-config --variable=rules repx-plugin)
#
# and gets the targets all, install and clean. May be set before: CFLAGS, LDFLAGS, LDLIBS,
# OUT (where the plugin lands, for --plugin-path; default plugins), HELPER_SOURCES (files
# with the helper's main), DESTDIR and PLUGINDIR of install.
OUT ?= plugins
PLUGINDIR ?= $(shell pkg-config --variable=plugindir repx-plugin)
CFLAGS ?= -O2 -g -Wall -Wextra
REPX_MANIFEST ?= $(shell pkg-config --variable=manifest repx-plugin)
REPX_ARCH := $(shell uname -m)
REPX_CFLAGS := -std=c17 -D_POSIX_C_SOURCE=200809L $(shell pkg-config --cflags repx-plugin)
REPX_LIBS := $(shell pkg-config --libs repx-plugin)
HELPER_SOURCES ?= $(shell pkg-config --variable=makedir repx-plugin)/scheduler_main.c

# Only schedulers have a helper.
REPX_HELPER := $(if $(filter sched-%,$(PLUGIN)),$(OUT)/$(PLUGIN)-linux-$(REPX_ARCH))

all: $(OUT)/$(PLUGIN).ini

$(OUT)/$(PLUGIN).so: $(SOURCES) $(HEADERS) | $(OUT)
	$(CC) $(CPPFLAGS) $(REPX_CFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -shared \
		-Wl,--exclude-libs,ALL -Wl,-z,defs $(LDFLAGS) -o $@ $(SOURCES) $(LDLIBS) $(REPX_LIBS)

$(REPX_HELPER): $(SOURCES) $(HELPER_SOURCES) $(HEADERS) | $(OUT)
	$(CC) $(CPPFLAGS) $(REPX_CFLAGS) $(CFLAGS) -DREPX_HELPER=1 -static $(LDFLAGS) -o $@ \
		$(SOURCES) $(HELPER_SOURCES) $(LDLIBS) \
		$(shell pkg-config --libs-only-L repx-plugin) -lrepx-kit-helper -lrepx-kit -ljansson

# From the built plugin, with the digests of both files.
$(OUT)/$(PLUGIN).ini: $(OUT)/$(PLUGIN).so $(REPX_HELPER)
	$(REPX_MANIFEST) $<

$(OUT):
	mkdir -p $@

install: all
	mkdir -p $(DESTDIR)$(PLUGINDIR)
	cp $(OUT)/$(PLUGIN).so $(OUT)/$(PLUGIN).ini $(REPX_HELPER) $(DESTDIR)$(PLUGINDIR)

clean:
	rm -rf $(OUT)

.PHONY: all install clean
