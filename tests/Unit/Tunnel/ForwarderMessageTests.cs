using System.Text;
using System.Text.Json;
using PersonalVpn.Tunnel.Local;
using Xunit;

namespace PersonalVpn.Unit.TunnelTests;

/// <summary>The control socket's JSON: what is not understood completely is not a request.</summary>
public sealed class ForwarderMessageTests
{
    [Fact]
    public void A_request_as_it_stands_on_the_socket()
    {
        var request = new ForwarderRequest { Operation = ForwarderOperation.Open, Gateway = "gw", User = "alice", AddressV4 = "10.77.0.2", Routes = ["10.0.0.0/8"], Mtu = 1500, Transport = "tls" };
        const string wire = """{"operation":"Open","gateway":"gw","user":"alice","addressV4":"10.77.0.2","routes":["10.0.0.0/8"],"mtu":1500,"transport":"tls","fastPath":false,"all":false}""";
        Assert.Equal(wire, Encoding.UTF8.GetString(ForwarderProtocol.Encode(request)));
        ForwarderRequest? back = ForwarderProtocol.DecodeRequest(Encoding.UTF8.GetBytes(wire));
        Assert.NotNull(back);
        Assert.Equal(["10.0.0.0/8"], back.Routes);
        Assert.Equal(request with { Routes = back.Routes }, back);
    }

    [Fact]
    public void A_reply_as_it_stands_on_the_socket()
    {
        var reply = new ForwarderReply { Code = ForwarderError.Denied, Error = "no" };
        Assert.Equal("""{"code":"Denied","error":"no"}""", Encoding.UTF8.GetString(ForwarderProtocol.Encode(reply)));
        Assert.Equal(reply, ForwarderProtocol.DecodeReply(ForwarderProtocol.Encode(reply)));
    }

    [Fact]
    public void More_tunnels_than_one_message_holds()
    {
        TunnelStatus one = Status() with { Routes = [.. Enumerable.Range(0, 256).Select(i => $"2001:db8:1234:5678:9abc:def0:{i:x4}:1/128")] };
        TunnelStatus[] all = [.. Enumerable.Range(0, 20).Select(i => one with { Device = $"pvpn{i}" })];
        var seen = new List<TunnelStatus>();
        while (true)
        {
            ForwarderReply part = ForwarderProtocol.Fit([.. all.Skip(seen.Count)]);
            Assert.InRange(ForwarderProtocol.Encode(part).Length, 1, ForwarderProtocol.MaxMessage);
            Assert.NotEmpty(part.Tunnels!);
            seen.AddRange(part.Tunnels!);
            Assert.Equal(seen.Count < all.Length ? all.Length - seen.Count : null, part.More);
            if (part.More is null) break;
        }
        Assert.Equal(all.Select(t => t.Device), seen.Select(t => t.Device));
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"Status\"")]
    [InlineData("{")]
    [InlineData("""{"operation":"Status"} trailing""")]
    [InlineData("""{"operation":"Status"}{}""")]
    [InlineData("""{"operation":"Nonsense"}""")]
    [InlineData("""{"operation":"Status","uid":0}""")] // no request names a user
    [InlineData("""{"operation":"Open","mtu":"1500"}""")]
    [InlineData("""{"operation":"Open","mtu":99999999999}""")]
    [InlineData("""{"operation":"Open","routes":"10.0.0.0/8"}""")]
    [InlineData("""{"operation":"Open","routes":[[[[[[[[[]]]]]]]]]}""")]
    [InlineData("""{"operation":"Open","gateway":"\ud800"}""")] // half a character
    [InlineData("""{"operation":"Open",/* c */"gateway":"gw"}""")]
    public void Anything_else_is_null(string text) => Assert.Null(ForwarderProtocol.DecodeRequest(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Bytes_that_are_not_utf8_are_null()
    {
        byte[] message = Encoding.UTF8.GetBytes("""{"operation":"Open","gateway":"gwxx"}""");
        message[Array.LastIndexOf(message, (byte)'x')] = 0xff;
        Assert.Null(ForwarderProtocol.DecodeRequest(message));
        Assert.Null(ForwarderProtocol.DecodeReply([0xff, 0xfe]));
    }

    /// <summary>The contract fixes these names: programs read them.</summary>
    [Fact]
    public void Status_as_programs_see_it()
    {
        TunnelStatus status = Status();
        const string wire = """
            [{"gateway":"gw","user":"alice","uid":1000,"state":"up","address":"10.77.0.2,fd77::2","routes":["10.0.0.0/8"],"transport":"tls",
            "since":"2026-01-02T03:04:05Z","bytesIn":1,"bytesOut":2,"packetsIn":3,"packetsOut":4,"packetsDropped":{"notOwner":5},"chain":[],"device":"pvpn0"}]
            """;
        Assert.Equal(wire.Replace("\n", "", StringComparison.Ordinal), JsonSerializer.Serialize([status], LocalJson.Default.IReadOnlyListTunnelStatus));
    }

    private static TunnelStatus Status() => new()
    {
        Gateway = "gw", User = "alice", Uid = 1000, State = "up", Address = "10.77.0.2,fd77::2", Routes = ["10.0.0.0/8"], Transport = "tls",
        Since = "2026-01-02T03:04:05Z", BytesIn = 1, BytesOut = 2, PacketsIn = 3, PacketsOut = 4,
        PacketsDropped = new Dictionary<string, long> { ["notOwner"] = 5 }, Chain = [], Device = "pvpn0",
    };
}
