"""Clean Debian 12 machines with a real systemd, each in a network namespace, by systemd-nspawn.

Nothing of the machine that runs them is in them but the kernel. They share one tree, made once (mmdebstrap) and kept; what a
machine writes goes into a layer of its own and is gone with it. They have no way to a Debian mirror.
"""
import fcntl
import hashlib
import os
import pathlib
import pty
import select
import shutil
import subprocess
import time

CACHE = pathlib.Path(os.environ.get("DEBIAN_CACHE", "/var/cache/pvpn-lab"))
# What a small installed Debian has, and what the packages depend on.
PACKAGES = "systemd-sysv,dbus,iproute2,iptables,nftables,openssh-client,iputils-ping,curl,man-db"
ENVIRONMENT = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "LANG=C.UTF-8"]


def tree():
    """The tree's directory; made if it is not there, which takes half a minute and a Debian mirror."""
    made = CACHE / ("bookworm-" + hashlib.md5(PACKAGES.encode()).hexdigest()[:8])
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            new = made.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io", "--include=" + PACKAGES,
                            '--aptopt=APT::Install-Recommends "false"', "bookworm", str(new), *mirror()], check=True)
            # apt asks before it removes, and nobody is there to answer.
            (new / "etc/apt/apt.conf.d/99lab").write_text('APT::Get::Assume-Yes "true";\n', encoding="ascii")
            new.rename(made)
    return made


def mirror():
    """The mirror that this machine installs from, if it is a Debian of the same release; else mmdebstrap's own choice."""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Identifier: Packages"],
                             capture_output=True, text=True, check=False).stdout
    return [line.split()[0] for line in targets.splitlines() if line.endswith(" bookworm main")][:1]


class Machine:
    """One machine: boots when made, is gone after close()."""

    def __init__(self, name, namespace, state):
        self.name, self.root, self._layer = name, state / name, state / (name + ".layer")
        for directory in (self.root, self._layer / "upper", self._layer / "work"):
            directory.mkdir(parents=True)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir={tree()},upperdir={self._layer}/upper,workdir={self._layer}/work", str(self.root)], check=True)
        self._log = open(state / (name + ".log"), "w+", encoding="utf-8", errors="replace")
        self._nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", f"--hostname={name}",
             f"--directory={self.root}", f"--network-namespace-path=/run/netns/{namespace}", "--capability=CAP_NET_ADMIN",
             "--bind=/dev/net/tun", "--boot"], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def wait_until_up(self, seconds=30):
        """Until its systemd has started what it starts."""
        end = time.monotonic() + seconds
        while True:
            if self._nspawn.poll() is not None or time.monotonic() > end:
                self._log.seek(0)
                raise RuntimeError(f"{self.name} did not boot in systemd-nspawn:\n" + self._log.read()[-2000:])
            if self.leader() and self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"):
                return
            time.sleep(0.1)

    def leader(self):
        """Pid of its systemd, here."""
        pid = self._nspawn.pid
        try:
            return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0]
        except (OSError, IndexError):
            return None

    def command(self, *words):
        """The words with what brings them into the machine before them."""
        return ["nsenter", f"--target={self.leader()}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
                "--", *ENVIRONMENT, *words]

    def run(self, *words, check=True):
        """Runs a command as root; its stdout."""
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(words)}: status {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def type(self, user, line, answer=None, seconds=60):
        """Types a line in a login of that user, on a terminal; (status, what stood there). answer(text) says what to type or None."""
        pid, terminal = pty.fork()
        if pid == 0:
            command = self.command("su", "-l", user, "--session-command", line) # -c would take the terminal away
            os.execvp(command[0], command)
        text, end = "", time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    got = os.read(terminal, 65536)
                except OSError: # EIO: the other end is closed
                    break
                if not got:
                    break
                text += got.decode(errors="replace")
            typed = answer(text) if answer else None
            if typed:
                os.write(terminal, typed.encode() + b"\n")
                answer = None
        else:
            os.kill(pid, 9)
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.replace("\r\n", "\n")

    def close(self):
        """Powers it off."""
        self._nspawn.terminate()
        try:
            self._nspawn.wait(10)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
        self._log.close()
        subprocess.run(["umount", str(self.root)], check=False)
