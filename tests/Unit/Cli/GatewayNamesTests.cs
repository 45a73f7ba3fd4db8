using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PersonalVpn.Cli;
using PersonalVpn.Cli.Connect.Dial;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>A name server that went away with the tunnel does not keep the tunnel from coming back.</summary>
public sealed class GatewayNamesTests
{
    private static readonly IPAddress One = IPAddress.Parse("192.0.2.1"), Two = IPAddress.Parse("192.0.2.2");

    [Fact]
    public void What_was_known_counts_when_no_answer_comes_and_a_new_answer_counts_more()
    {
        string name = $"{Guid.NewGuid():N}.example";
        Assert.Contains("cannot resolve", Assert.Throws<UserError>(() => Resolve(name, _ => throw new SocketException())).Message, StringComparison.Ordinal);
        Assert.Equal([One], Resolve(name, _ => [One]));
        Assert.Equal([One], Resolve(name, _ => throw new SocketException()));
        Assert.Equal([One], Resolve(name, _ => []));
        Assert.Equal([Two], Resolve(name, _ => [Two]));
        Assert.Equal([Two], Resolve(name, _ => throw new SocketException()));
        Assert.Equal([One], Resolve("192.0.2.1", _ => throw new InvalidOperationException()));
    }

    [Fact]
    public void An_answer_that_does_not_come_is_not_waited_for_where_one_is_known()
    {
        string name = $"{Guid.NewGuid():N}.example";
        Resolve(name, _ => [One]);
        using var never = new ManualResetEventSlim();
        var watch = Stopwatch.StartNew();
        Assert.Equal([One], Resolve(name, _ =>
        {
            never.Wait();
            return [Two];
        }));
        Assert.InRange(watch.Elapsed.TotalSeconds, 1.9, 4);
        never.Set();
    }

    private static IPAddress[] Resolve(string name, Func<string, IPAddress[]> lookUp) => GatewayNames.Resolve(name, _ => { }, lookUp);
}
