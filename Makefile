# PersonalVpn. `make` builds the three programs into out/; `make demo` shows what they do.
#
#   make            build pvpn, pvpnd and pvpn-server into out/
#   make demo       two users, a gateway and an inner host on this machine, start to end (root)
#   make test       unit tests and kernel tests in network namespaces (root)
#   make bench      this VPN, others and the direct way on the same workloads (root); QUICK=1 for a few minutes
#   make bench-micro   the pure parts of the packet path, by BenchmarkDotNet
#   make lint       formatting, analyzers, shell scripts
#   make install    into $(DESTDIR)$(PREFIX), configuration into $(DESTDIR)$(SYSCONFDIR)
#   make uninstall  remove that; configuration that was edited stays
#   make deb        Debian packages with the .NET runtime in them, into dist/
#   make clean      remove what was built

PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
UNITDIR ?= $(if $(filter /usr,$(PREFIX)),/usr/lib/systemd/system,/etc/systemd/system)
CONFIGURATION ?= Release
LIB ?= pvpn
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)

PROGRAMS = Forwarder/Cli Forwarder/Daemon Server
SOURCES := $(shell find Forwarder Server UserAuth -name '*.cs' -not -path '*/obj/*' -not -path '*/bin/*') \
           $(shell find Forwarder Server UserAuth -name '*.csproj') Directory.Build.props Directory.Packages.props global.json

.PHONY: all build demo test bench bench-micro lint install install-pvpn install-pvpn-server uninstall deb clean

all: build
build: out/.built

# All three publish into one directory: they share their libraries, and the .NET runtime, which goes with them: no host needs one
# installed, and no search for it slows their start. One after the other, for the same reason.
out/.built: $(SOURCES)
	@command -v dotnet >/dev/null || { echo "make: the .NET SDK (dotnet) is not installed; see README.md" >&2; exit 1; }
	@rm -rf out.new
	@set -e; for p in $(PROGRAMS); do \
	    dotnet publish $$p -c $(CONFIGURATION) --self-contained true -o out.new -v quiet --nologo; done
	@rm -rf out && mv out.new out && touch $@

demo: build
	@Scripts/demo.sh

test: build
	@Scripts/test.sh

bench: build
	@Scripts/bench.sh

bench-micro:
	dotnet run -c Release --project tests/Bench.Micro

lint:
	dotnet format PersonalVpn.sln --verify-no-changes
	@if command -v shellcheck >/dev/null; then \
	    shellcheck -x Scripts/*.sh Scripts/lab/*.sh Scripts/bench/*.sh packaging/*.sh packaging/debian/*.postinst packaging/debian/*.prerm packaging/debian/*.postrm .ci/run; \
	else echo "lint: shellcheck is not installed; the shell scripts were not checked"; fi
	@if command -v groff >/dev/null; then \
	    set -e; for m in docs/man/*; do groff -ww -man -Tutf8 -z $$m 2>&1 | awk '{ print } END { exit NR > 0 }'; done; \
	else echo "lint: groff is not installed; the manual pages were not checked"; fi

# The shared host's part and the gateway's are packages of their own; `make install` puts both into one directory.
install: build
	@$(MAKE) --no-print-directory install-pvpn install-pvpn-server

install-pvpn:
	$(call install-programs)
	ln -sf ../lib/$(LIB)/pvpn $(DESTDIR)$(PREFIX)/bin/pvpn
	ln -sf ../lib/$(LIB)/pvpnd $(DESTDIR)$(PREFIX)/sbin/pvpnd
	$(call install-configuration,forwarder.conf pvpn.conf)
	$(call install-system,pvpnd,pvpn)
	$(call install-manuals,pvpn.1 pvpn_config.5 pvpnd.8 forwarder.conf.5)
	if test -e Scripts/completion/pvpn.bash; then install -D -m 644 Scripts/completion/pvpn.bash $(DESTDIR)$(BASHDIR)/pvpn; fi
	if test -e Scripts/completion/_pvpn; then install -D -m 644 Scripts/completion/_pvpn $(DESTDIR)$(ZSHDIR)/_pvpn; fi

install-pvpn-server:
	$(call install-programs)
	ln -sf ../lib/$(LIB)/pvpn-server $(DESTDIR)$(PREFIX)/sbin/pvpn-server
	install -d -m 755 $(DESTDIR)$(SYSCONFDIR)/pvpn/authorized_keys
	$(call install-configuration,server.conf)
	$(call install-system,pvpn-server,pvpn-server)
	$(call install-manuals,pvpn-server.8 pvpn_server_config.5)

define install-programs
	install -d $(DESTDIR)$(PREFIX)/lib/$(LIB) $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin
	cp -R out/. $(DESTDIR)$(PREFIX)/lib/$(LIB)/
	rm -f $(DESTDIR)$(PREFIX)/lib/$(LIB)/.built $(DESTDIR)$(PREFIX)/lib/$(LIB)/*.pdb $(DESTDIR)$(PREFIX)/lib/$(LIB)/*.xml
	find $(DESTDIR)$(PREFIX)/lib/$(LIB) -type f \( -name '*.dll' -o -name '*.so' -o -name '*.json' \) -exec chmod a-x {} +
	chmod -R u=rwX,go=rX $(DESTDIR)$(PREFIX)/lib/$(LIB)
endef

# A file that is there is the administrator's.
define install-configuration
	install -d -m 755 $(DESTDIR)$(SYSCONFDIR)/pvpn
	@set -e; for f in $(1); do \
	    install -m 644 Scripts/examples/$$f $(DESTDIR)$(SYSCONFDIR)/pvpn/$$f.example; \
	    test -e $(DESTDIR)$(SYSCONFDIR)/pvpn/$$f || install -m 644 Scripts/examples/$$f $(DESTDIR)$(SYSCONFDIR)/pvpn/$$f; done
endef

# Unit, system user, directories at run time
define install-system
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	sed $(SUBSTITUTE) Scripts/systemd/$(1).service >$(DESTDIR)$(UNITDIR)/$(1).service
	sed $(SUBSTITUTE) packaging/$(2).tmpfiles >$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/$(2).conf
	install -m 644 packaging/$(2).sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/$(2).conf
	chmod 644 $(DESTDIR)$(UNITDIR)/$(1).service $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/$(2).conf
endef
SUBSTITUTE = 's|@PREFIX@|$(PREFIX)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g; s|@TMPFILESDIR@|$(PREFIX)/lib/tmpfiles.d|g'

define install-manuals
	@set -e; for m in $(1); do install -D -m 644 docs/man/$$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$$m; done
endef

# Keys and edited configuration are not ours to remove.
uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/lib/$(LIB)
	rm -f $(DESTDIR)$(PREFIX)/bin/pvpn $(DESTDIR)$(PREFIX)/sbin/pvpnd $(DESTDIR)$(PREFIX)/sbin/pvpn-server
	rm -f $(DESTDIR)$(UNITDIR)/pvpnd.service $(DESTDIR)$(UNITDIR)/pvpn-server.service
	rm -f $(foreach n,pvpn pvpn-server,$(DESTDIR)$(PREFIX)/lib/sysusers.d/$(n).conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/$(n).conf)
	rm -f $(DESTDIR)$(BASHDIR)/pvpn $(DESTDIR)$(ZSHDIR)/_pvpn
	rm -f $(foreach m,$(wildcard docs/man/*.[1-8]),$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
	@for f in forwarder.conf server.conf pvpn.conf; do \
	    rm -f $(DESTDIR)$(SYSCONFDIR)/pvpn/$$f.example; \
	    ! cmp -s Scripts/examples/$$f $(DESTDIR)$(SYSCONFDIR)/pvpn/$$f || rm -f $(DESTDIR)$(SYSCONFDIR)/pvpn/$$f; done
	@rmdir $(DESTDIR)$(SYSCONFDIR)/pvpn/authorized_keys $(DESTDIR)$(SYSCONFDIR)/pvpn 2>/dev/null || true

deb: build
	@packaging/build-deb.sh

clean:
	rm -rf out out.new dist TestResults bench-results
	find . \( -name bin -o -name obj \) -type d -not -path './.git/*' -prune -exec rm -rf {} +
