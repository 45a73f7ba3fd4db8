# PersonalVpn. `make` builds the three programs into out/; `make demo` shows what they do.
#
#   make            build pvpn, pvpnd and pvpn-server into out/
#   make demo       two users, a gateway and an inner host on this machine, start to end (root)
#   make test       unit tests and kernel tests in network namespaces (root)
#   make bench      this VPN, others and the direct way on the same workloads (root); QUICK=1 for a few minutes
#   make bench-micro   the pure parts of the packet path, by BenchmarkDotNet
#   make lint       formatting, analyzers, shell scripts
#   make install    into $(DESTDIR)$(PREFIX), configuration into $(DESTDIR)$(SYSCONFDIR)
#   make clean      remove what was built

PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
UNITDIR ?= $(if $(filter /usr,$(PREFIX)),/usr/lib/systemd/system,/etc/systemd/system)
CONFIGURATION ?= Release

PROGRAMS = Forwarder/Cli Forwarder/Daemon Server
SOURCES := $(shell find Forwarder Server UserAuth -name '*.cs' -not -path '*/obj/*' -not -path '*/bin/*') \
           $(shell find Forwarder Server UserAuth -name '*.csproj') Directory.Build.props Directory.Packages.props global.json

.PHONY: all build demo test bench bench-micro lint install clean

all: build
build: out/.built

# All three publish into one directory: they share their libraries. One after the other, for the same reason.
out/.built: $(SOURCES)
	@command -v dotnet >/dev/null || { echo "make: the .NET SDK (dotnet) is not installed; see README.md" >&2; exit 1; }
	@rm -rf out.new
	@set -e; for p in $(PROGRAMS); do \
	    dotnet publish $$p -c $(CONFIGURATION) -o out.new -v quiet --nologo; done
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
	    shellcheck -x Scripts/*.sh Scripts/lab/*.sh Scripts/bench/*.sh .ci/run; \
	else echo "lint: shellcheck is not installed; the shell scripts were not checked"; fi
	@if command -v groff >/dev/null; then \
	    set -e; for m in docs/man/*; do groff -ww -man -Tutf8 -z $$m 2>&1 | awk '{ print } END { exit NR > 0 }'; done; \
	else echo "lint: groff is not installed; the manual pages were not checked"; fi

install: build
	install -d $(DESTDIR)$(PREFIX)/lib/pvpn $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin
	cp -R out/. $(DESTDIR)$(PREFIX)/lib/pvpn/
	rm -f $(DESTDIR)$(PREFIX)/lib/pvpn/.built $(DESTDIR)$(PREFIX)/lib/pvpn/*.pdb $(DESTDIR)$(PREFIX)/lib/pvpn/*.xml
	chmod -R u=rwX,go=rX $(DESTDIR)$(PREFIX)/lib/pvpn
	ln -sf ../lib/pvpn/pvpn $(DESTDIR)$(PREFIX)/bin/pvpn
	ln -sf ../lib/pvpn/pvpnd $(DESTDIR)$(PREFIX)/sbin/pvpnd
	ln -sf ../lib/pvpn/pvpn-server $(DESTDIR)$(PREFIX)/sbin/pvpn-server
	install -d -m 755 $(DESTDIR)$(SYSCONFDIR)/pvpn $(DESTDIR)$(SYSCONFDIR)/pvpn/authorized_keys
	@set -e; for f in forwarder.conf server.conf pvpn.conf; do \
	    install -m 644 Scripts/examples/$$f $(DESTDIR)$(SYSCONFDIR)/pvpn/$$f.example; \
	    test -e $(DESTDIR)$(SYSCONFDIR)/pvpn/$$f || install -m 644 Scripts/examples/$$f $(DESTDIR)$(SYSCONFDIR)/pvpn/$$f; done
	install -d $(DESTDIR)$(UNITDIR)
	@set -e; for u in pvpnd pvpn-server; do \
	    sed 's|@PREFIX@|$(PREFIX)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g' Scripts/systemd/$$u.service >$(DESTDIR)$(UNITDIR)/$$u.service; \
	    chmod 644 $(DESTDIR)$(UNITDIR)/$$u.service; done
	@set -e; for m in $(wildcard docs/man/*.[1-8]); do \
	    install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done

clean:
	rm -rf out out.new TestResults bench-results
	find . \( -name bin -o -name obj \) -type d -not -path './.git/*' -prune -exec rm -rf {} +
