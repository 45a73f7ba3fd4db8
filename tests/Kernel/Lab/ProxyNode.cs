using System.Diagnostics;
using System.Globalization;
using PersonalVpn.Kernel.Support;

namespace PersonalVpn.Kernel.Lab;

/// <summary>
/// A namespace between the shared host and the gateway, which forwards nothing: what comes through it comes through a proxy there.
/// <code>
/// host 10.97.1.2 ──"pxwire"── 10.97.1.1  proxy  10.97.2.2 ── 10.97.2.1 gateway
/// </code>
/// The host has no route to 10.97.2.1. In the namespace that address is called gateway.lab, which means nothing to anybody else.
/// </summary>
public sealed class ProxyNode : IDisposable
{
    /// <summary>The gateway as the proxy reaches it.</summary>
    public const string Gateway = "10.97.2.1", GatewayName = "gateway.lab";

    /// <summary>The proxy as the host reaches it.</summary>
    public const string Address = "10.97.1.1";

    /// <summary>Who may use the proxies, and by what password.</summary>
    public const string User = "vpn", Password = "s3cret-of-the-proxy";

    /// <summary>The host's device on the way to the proxy.</summary>
    public const string Device = "pxwire";

    private readonly LabFixture _lab;
    private readonly string _name, _files, _state;
    private Process? _proxy;

    /// <summary>Builds it, without a proxy.</summary>
    public ProxyNode(LabFixture lab)
    {
        _lab = lab;
        _name = lab.Prefix + "px";
        _files = "/etc/netns/" + _name;
        _state = Path.Combine(lab.State, "proxy");
        try
        {
            Shell.Run($"ip netns add {_name}");
            Shell.Run($"ip -n {_name} link set lo up");
            Connect(lab.Prefix + "host", Device, "10.97.1.2", "front", Address);
            Connect(lab.Prefix + "gw", "pxgw", Gateway, "back", "10.97.2.2");
            // What lies here is seen as /etc by who enters with "ip netns exec".
            Directory.CreateDirectory(_files);
            File.WriteAllText(Path.Combine(_files, "hosts"), $"127.0.0.1 localhost\n{Gateway} {GatewayName}\n");
            Shell.Exec(5_000, "install", "-d", "-m", "755", "-o", "proxy", _state);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What the proxy wrote into its logs.</summary>
    public string Log => string.Concat(Directory.GetFiles(_state, "*.log").Select(File.ReadAllText));

    /// <summary>Squid, Basic authentication, CONNECT to 443 alone: port 3128.</summary>
    public void StartSquid()
    {
        string hash = Shell.Exec(5_000, "openssl", "passwd", "-apr1", Password).Trim();
        File.WriteAllText(Path.Combine(_state, "users"), $"{User}:{hash}\n");
        Start("squid.conf", 3128, $"""
            http_port {Address}:3128
            auth_param basic program /usr/lib/squid/basic_ncsa_auth {_state}/users
            auth_param basic children 1
            auth_param basic realm lab
            acl known proxy_auth REQUIRED
            acl CONNECT method CONNECT
            acl tls port 443
            http_access deny !CONNECT
            http_access deny !tls
            http_access allow known
            http_access deny all
            cache deny all
            pid_filename {_state}/squid.pid
            access_log stdio:{_state}/access.log
            cache_log {_state}/cache.log
            coredump_dir {_state}
            visible_hostname lab
            dns_nameservers 127.0.0.1
            pinger_enable off
            netdb_filename none
            shutdown_lifetime 0 seconds

            """, "squid", "-N", "-f");
    }

    /// <summary>Tinyproxy, Basic authentication, CONNECT to 443 alone: port 8888.</summary>
    public void StartTinyproxy() => Start("tinyproxy.conf", 8888, $"""
        Port 8888
        Listen {Address}
        Timeout 600
        MaxClients 20
        BasicAuth {User} {Password}
        ConnectPort 443
        LogFile "{_state}/tinyproxy.log"
        LogLevel Connect

        """, "tinyproxy", "-d", "-c");

    /// <summary>Dante, user and password, connections to 443 alone: port 1080.</summary>
    public void StartDante()
    {
        // Its users are those of the system.
        string hash = Shell.Exec(5_000, "openssl", "passwd", "-6", Password).Trim();
        File.WriteAllText(Path.Combine(_files, "passwd"), File.ReadAllText("/etc/passwd") + $"{User}:x:64999:65534:lab:/nonexistent:/usr/sbin/nologin\n");
        File.WriteAllText(Path.Combine(_files, "shadow"), File.ReadAllText("/etc/shadow") + $"{User}:{hash}:20000:0:99999:7:::\n");
        File.SetUnixFileMode(Path.Combine(_files, "shadow"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Start("danted.conf", 1080, $$"""
            logoutput: {{_state}}/danted.log
            internal: {{Address}} port = 1080
            external: back
            clientmethod: none
            socksmethod: username
            user.privileged: root
            user.unprivileged: nobody
            client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
            socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 port = 443 command: connect }

            """, "danted", "-p", Path.Combine(_state, "danted.pid"), "-f");
    }

    /// <summary>Ends the proxy and removes the namespace.</summary>
    public void Dispose()
    {
        if (_proxy is not null)
        {
            if (!_proxy.HasExited) _proxy.Kill(entireProcessTree: true);
            _proxy.WaitForExit();
            _proxy.Dispose();
        }
        // With the namespace the cables would go too, but some time later.
        Shell.Exec(5_000, "sh", "-c", $"ip -n {_lab.Prefix}host link delete {Device}; ip -n {_lab.Prefix}gw link delete pxgw; true");
        Shell.Run($"ip netns delete {_name}");
        if (Directory.Exists(_files)) Directory.Delete(_files, recursive: true);
        if (Directory.Exists(_state)) Directory.Delete(_state, recursive: true);
    }

    private void Start(string file, int port, string configuration, params string[] command)
    {
        string path = Path.Combine(_state, file);
        File.WriteAllText(path, configuration);
        _proxy = Shell.Start(["ip", "netns", "exec", _name, .. command, path]);
        _ = _proxy.StandardError.ReadToEndAsync();
        _ = _proxy.StandardOutput.ReadToEndAsync();
        string listens = string.Create(CultureInfo.InvariantCulture, $"sport = :{port}");
        Shell.WaitUntil($"{command[0]} listens", () => Shell.Exec(5_000, "ip", "netns", "exec", _name, "ss", "-Hltn", listens).Length > 0 || _proxy.HasExited, 15_000);
        Assert.False(_proxy.HasExited, $"{command[0]} did not start: {Log}");
    }

    private void Connect(string other, string otherDevice, string otherAddress, string device, string address)
    {
        Shell.Run($"ip link add {otherDevice} netns {other} type veth peer name {device} netns {_name}");
        Shell.Run($"ip -n {other} addr add {otherAddress}/24 dev {otherDevice}");
        Shell.Run($"ip -n {_name} addr add {address}/24 dev {device}");
        Shell.Run($"ip -n {other} link set {otherDevice} up");
        Shell.Run($"ip -n {_name} link set {device} up");
    }
}
