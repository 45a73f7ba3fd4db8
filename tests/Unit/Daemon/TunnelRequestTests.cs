using Microsoft.Extensions.Logging.Abstractions;
using PersonalVpn.Daemon;
using PersonalVpn.Daemon.Control;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Unit.Support;
using Xunit;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>What a user's process, or a server through it, may not make of a tunnel. Documentation addresses: no host has them.</summary>
public sealed class TunnelRequestTests : IDisposable
{
    private static readonly ForwarderRequest Good = new()
    {
        Operation = ForwarderOperation.Open, Gateway = "gw", User = "alice", AddressV4 = "198.51.100.7", Routes = ["203.0.113.0/24"], Mtu = 1500, Transport = "tls",
    };

    private readonly KernelState _kernel = new(NullLogger.Instance);
    private readonly TunnelTable _tunnels = new();
    private readonly List<string> _config = ["PermitAddress 198.51.100.0/24", "PermitAddress 127.0.0.0/8", "PermitAddress 2001:db8::/32", "MaxTunnelsPerUser 2"];

    public void Dispose() => _kernel.Dispose();

    [Fact]
    public void A_good_request()
    {
        (TunnelState tunnel, TunnelState? replaced) = Check(1000, Good);
        Assert.Null(replaced);
        Assert.Equal((1000u, "gw", "alice", IpAddr.Parse("198.51.100.7"), 1500, "tls", false),
            (tunnel.Uid, tunnel.Gateway, tunnel.User, tunnel.AddressV4!.Value, tunnel.Mtu, tunnel.Transport, tunnel.IsUp));
        Assert.StartsWith(Marks.DevicePrefix, tunnel.Device, StringComparison.Ordinal);
        Assert.True(tunnel.Table >= Marks.FirstTable);
    }

    [Theory]
    [InlineData("127.0.0.0/8")]
    [InlineData("127.0.0.53/32")]
    [InlineData("169.254.169.254/32")]
    [InlineData("224.0.0.0/4")]
    [InlineData("239.1.2.3/32")]
    [InlineData("255.255.255.255/32")]
    [InlineData("0.0.0.0/8")]
    public void Destinations_that_stay_on_the_host(string route) => Refused(ForwarderError.DestinationRefused, Good with { Routes = [route] });

    [Theory]
    [InlineData("::1/128")]
    [InlineData("fe80::/10")]
    [InlineData("ff02::/16")]
    [InlineData("::ffff:10.0.0.0/104")]
    public void Destinations_that_stay_on_the_host_v6(string route)
    {
        if (!KernelState.HasIpv6)
        {
            Refused(ForwarderError.BadRequest, Good with { AddressV6 = "2001:db8::7", Routes = [route] });
            return;
        }
        Refused(ForwarderError.DestinationRefused, Good with { AddressV6 = "2001:db8::7", Routes = [route] });
    }

    [Fact]
    public void Destinations_beyond_the_configuration()
    {
        _config.Add("PermitDestination 10.0.0.0/8");
        Refused(ForwarderError.DestinationRefused, Good);
        Refused(ForwarderError.DestinationRefused, Good with { Routes = ["0.0.0.0/0"] });
        Check(1000, Good with { Routes = ["10.2.0.0/16"] });
    }

    [Fact]
    public void Malformed_requests()
    {
        Refused(ForwarderError.BadRequest, Good with { Routes = null });
        Refused(ForwarderError.BadRequest, Good with { Routes = [] });
        Refused(ForwarderError.BadRequest, Good with { Routes = [null!] });
        Refused(ForwarderError.BadRequest, Good with { Routes = ["10.0.0.1/8"] });
        Refused(ForwarderError.BadRequest, Good with { Routes = [.. Enumerable.Range(0, 257).Select(i => $"10.{i / 256}.{i % 256}.0/24")] });
        Refused(ForwarderError.BadRequest, Good with { Routes = ["2001:db8:1::/48"] }); // no IPv6 address
        Refused(ForwarderError.BadRequest, Good with { AddressV4 = null });
        Refused(ForwarderError.BadRequest, Good with { AddressV4 = "2001:db8::1" });
        Refused(ForwarderError.BadRequest, Good with { AddressV4 = "x" });
        Refused(ForwarderError.BadRequest, Good with { Mtu = 1279 });
        Refused(ForwarderError.BadRequest, Good with { Mtu = 65536 });
        foreach (string? name in new[] { null, "", "$(id)", "a;b", "`x`", "a b", "a\nb", "\u001b[2J", new string('g', 256) })
        {
            Refused(ForwarderError.BadRequest, Good with { Gateway = name });
            Refused(ForwarderError.BadRequest, Good with { User = name });
        }
        Refused(ForwarderError.BadRequest, Good with { Chain = ["a\n"] });
    }

    [Fact]
    public void Inner_addresses()
    {
        Refused(ForwarderError.Denied, Good with { AddressV4 = "8.8.8.8" });
        Refused(ForwarderError.Denied, Good with { AddressV4 = "10.77.0.2" }); // private, but not configured here
        Refused(ForwarderError.AddressInUse, Good with { AddressV4 = "127.9.9.9" }); // a network of the host's
        _tunnels.Add(Check(1001, Good).Tunnel);
        Refused(ForwarderError.AddressInUse, Good); // another user's tunnel
    }

    [Fact]
    public void A_blocked_tunnel_is_replaced_by_its_owner_alone()
    {
        TunnelState blocked = Check(1000, Good).Tunnel;
        _tunnels.Add(blocked);
        (TunnelState again, TunnelState? replaced) = Check(1000, Good);
        Assert.Same(blocked, replaced);
        Assert.Equal(blocked.Table, again.Table);
        // The process that read the old device may not have let go of it.
        Assert.NotEqual(blocked.Device, again.Device);
        Assert.Null(Check(1001, Good with { AddressV4 = "198.51.100.8" }).Replaced);
    }

    [Fact]
    public void Two_tunnels_of_one_user_share_no_destination()
    {
        _tunnels.Add(Check(1000, Good).Tunnel);
        ForwarderRequest second = Good with { Gateway = "gw2", AddressV4 = "198.51.100.8" };
        Refused(ForwarderError.DestinationRefused, second);
        Check(1000, second with { Routes = ["203.0.113.0/25"] }); // more specific: a choice
        Check(1001, second);
        // Whole IPv4 closes IPv6, and that may be closed by one tunnel only.
        _tunnels.Add(Check(1000, second with { Routes = ["0.0.0.0/0"] }).Tunnel);
    }

    [Fact]
    public void As_many_tunnels_as_configured()
    {
        _tunnels.Add(Check(1000, Good).Tunnel);
        _tunnels.Add(Check(1000, Good with { Gateway = "gw2", AddressV4 = "198.51.100.8", Routes = ["10.1.0.0/16"] }).Tunnel);
        ForwarderRequest third = Good with { Gateway = "gw3", AddressV4 = "198.51.100.9", Routes = ["10.2.0.0/16"] };
        Assert.Contains("forwarder.conf allows 2", Refused(ForwarderError.TooManyTunnels, third).Message, StringComparison.Ordinal);
        Check(1001, third);
    }

    private (TunnelState Tunnel, TunnelState? Replaced) Check(uint uid, ForwarderRequest request)
    {
        ForwarderConfig config = ForwarderConfig.Build(ConfigText.Lines([.. _config]));
        return new TunnelRequest(_tunnels, _kernel, () => config).Check(uid, request);
    }

    private RequestException Refused(ForwarderError code, ForwarderRequest request)
    {
        RequestException e = Assert.Throws<RequestException>(() => Check(1000, request));
        Assert.Equal(code, e.Code);
        Assert.DoesNotContain(e.Message, char.IsControl);
        return e;
    }

    [Theory]
    [InlineData("tls", true)]
    [InlineData("tls via ProxyCommand", true)]
    [InlineData("tls via http proxy proxy.example.org:3128", true)]
    [InlineData("tls via socks5 proxy [2001:db8::1]:1080", true)]
    [InlineData("", false)]
    [InlineData("tls ", false)]
    [InlineData("tls\n", false)]
    [InlineData("tls via http proxy ", false)]
    [InlineData("tls via http proxy a b", false)]
    [InlineData("tls via http proxy $(reboot):1", false)]
    [InlineData("tls via carrier pigeon", false)]
    public void Ways_that_status_shows(string transport, bool good) => Assert.Equal(good, TunnelRequest.TransportText().IsMatch(transport));
}
