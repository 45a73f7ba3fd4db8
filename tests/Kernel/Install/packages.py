#!/usr/bin/python3
"""What becomes of the packages beyond the quick start: both on one machine, reload, crash, upgrade, remove, purge.

    packages.py FACTS      writes what was seen as JSON
"""
import json
import pathlib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "Scripts/lab"))
from twohosts import TwoHosts  # noqa: E402

OPEN = "pvpn -f -o StrictHostKeyChecking=accept-new alice@gateway.example.org"


def wait(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def pid(machine, unit):
    return machine.run("systemctl", "show", "--property=MainPID", "--value", unit).strip()


def crash(machine, unit):
    """SIGKILL, as the kernel's out-of-memory killer would; systemd starts it again."""
    before = pid(machine, unit)
    machine.run("systemctl", "kill", "--signal=KILL", unit)
    wait(lambda: pid(machine, unit) not in ("0", before) and machine.run("systemctl", "is-active", unit, check=False).strip() == "active", f"{unit} is back")


def install(machine, *files):
    return machine.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", "install", *files)


def main():
    facts = {}
    with TwoHosts() as hosts:
        host, gateway = hosts.machines["host"], hosts.machines["gateway"]
        before = hosts.state()
        install(gateway, "/root/pvpn-server_0.1.0_amd64.deb")
        facts["server after installation"] = gateway.run("systemctl", "is-enabled", "pvpn-server", check=False) + gateway.run("systemctl", "is-active", "pvpn-server", check=False)
        facts["port after installation"] = gateway.run("ss", "-Hltn", "sport = 443")
        gateway.run("sh", "-c", "echo 'Route 10.1.0.0/16' >>/etc/pvpn/server.conf && systemctl enable --now pvpn-server")
        key = (gateway.root / "etc/pvpn/host_key.pem").read_bytes()
        install(host, "/root/pvpn_0.1.0_amd64.deb")
        host.type("alice", "ssh-keygen -q -t rsa -N '' -f ~/.ssh/id_rsa")
        (gateway.root / "etc/pvpn/authorized_keys/alice").write_bytes((host.root / "home/alice/.ssh/id_rsa.pub").read_bytes())

        facts["opened"] = host.type("alice", OPEN)
        (host.root / "etc/pvpn/forwarder.conf").write_text("DenyUsers bob\n", encoding="ascii")
        host.run("systemctl", "reload", "pvpnd")
        wait(lambda: "DenyUsers" in host.type("bob", OPEN)[1], "bob is refused after a reload")
        facts["up after reload"] = host.type("alice", "pvpn check 10.1.2.3")

        facts["cleanup beside pvpnd"] = host.type("root", "pvpnd cleanup")
        facts["up after cleanup"] = host.type("alice", "pvpn check 10.1.2.3")

        # An upgrade is a crash that was meant: nobody's packets go out in clear.
        running = pid(host, "pvpnd")
        install(host, "--reinstall", "/root/pvpn_0.1.0_amd64.deb")
        wait(lambda: pid(host, "pvpnd") not in ("0", running) and host.run("systemctl", "is-active", "pvpnd", check=False).strip() == "active", "pvpnd runs anew")
        facts["after upgrade"] = host.type("alice", "pvpn check 10.1.2.3; ping -c 1 -W 1 10.1.2.3")
        facts["configuration after upgrade"] = (host.root / "etc/pvpn/forwarder.conf").read_text(encoding="ascii")
        facts["again after upgrade"] = host.type("alice", OPEN)
        # The slowest way to know an owner is to read /proc/net, which the sandbox must not hide.
        (host.root / "etc/pvpn/forwarder.conf").write_text("OwnerLookup procfs\n", encoding="ascii")
        host.run("systemctl", "restart", "pvpnd")
        facts["by procfs"] = host.type("alice", OPEN + " && curl -sS --max-time 5 http://10.1.2.3:8080/")
        running = pid(gateway, "pvpn-server")
        install(gateway, "--reinstall", "/root/pvpn-server_0.1.0_amd64.deb")
        facts["server restarted by upgrade"] = pid(gateway, "pvpn-server") not in ("0", running)
        facts["same host key"] = (gateway.root / "etc/pvpn/host_key.pem").read_bytes() == key

        crash(host, "pvpnd")
        crash(gateway, "pvpn-server")
        facts["after crash"] = host.type("alice", "pvpn check 10.1.2.3")
        # The worst case: it has crashed, and does not run when the package goes.
        for machine, unit in ((host, "pvpnd"), (gateway, "pvpn-server")):
            machine.run("sh", "-c", f"systemctl mask --runtime {unit} && systemctl kill --signal=KILL {unit}", check=False)
            wait(lambda m=machine, u=unit: pid(m, u) == "0", f"{unit} is dead")
            machine.run("systemctl", "unmask", "--runtime", unit)
        facts["record of the crash"] = (pathlib.Path("/proc") / host.leader() / "root/run/pvpn/forwarder.sock.state").exists()
        for machine, package in ((host, "pvpn"), (gateway, "pvpn-server")):
            machine.run("apt-get", "-qq", "-y", "remove", package)
        facts["kept by remove"] = [path for machine, path in ((gateway, "etc/pvpn/host_key.pem"), (gateway, "etc/pvpn/server.conf"),
                                   (gateway, "etc/pvpn/authorized_keys/alice"), (host, "etc/pvpn/forwarder.conf")) if (machine.root / path).exists()]
        for machine, package in ((host, "pvpn"), (gateway, "pvpn-server")):
            machine.run("apt-get", "-qq", "-y", "purge", package)
        # ip_forward was switched on by a server that was killed: nobody knows any more what it was.
        facts["left"] = [line for line in hosts.changes(before) if "ip_forward" not in line]
    pathlib.Path(sys.argv[1]).write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
