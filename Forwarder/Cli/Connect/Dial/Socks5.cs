using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PersonalVpn.Cli.Config.Proxies;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>
/// A connection through a SOCKS proxy (RFC 1928), with user and password (RFC 1929) where they are given. Names are resolved by the proxy.
/// <code>
/// → 05 n method...            methods: 0 none, 2 user and password
/// ← 05 method                 ff: none of these
/// → 01 n user n password      ← 01 status (0 = good)                     with method 2
/// → 05 01 00 type address port
/// ← 05 reply 00 type address port                                        type 1 IPv4, 3 n name, 4 IPv6
/// </code>
/// </summary>
internal static class Socks5
{
    private const byte Version = 5, LoginVersion = 1, Connect = 1, NoLogin = 0, UserPassword = 2, NoMethod = 0xff, V4 = 1, Name = 3, V6 = 4;

    /// <summary>Asks for it. When it returns, the connection is the gateway's.</summary>
    /// <exception cref="UserError">The proxy refuses, or answers nonsense.</exception>
    public static void Run(ProxyTalk talk, ProxyServer proxy, string host, int port)
    {
        byte[] request = Request(host, port);
        talk.Send(proxy.User is null ? [Version, 1, NoLogin] : [Version, 2, NoLogin, UserPassword]);
        Span<byte> two = stackalloc byte[2];
        talk.Take(two);
        if (two[0] != Version) throw Garbage(proxy);
        if (two[1] == UserPassword && proxy.User is not null) LogIn(talk, proxy);
        else if (two[1] == NoMethod || two[1] == UserPassword)
        {
            throw new UserError(proxy.User is null ? $"the {proxy.Name} wants a login; name the user in Proxy, and the password in ProxyPasswordFile"
                : $"the {proxy.Name} wants another kind of login than user and password; a ProxyCommand may know it");
        }
        else if (two[1] != NoLogin) throw Garbage(proxy);

        talk.Send(request);
        Span<byte> head = stackalloc byte[4];
        talk.Take(head[..2]);
        if (head[0] != Version) throw Garbage(proxy);
        if (head[1] != 0) throw new UserError(Explain(head[1], proxy, host, port));
        talk.Take(head[2..]);
        // Where the proxy's own end is: of no use to us.
        int length = head[3] switch { V4 => 4, V6 => 16, Name => LengthOfName(talk), _ => throw Garbage(proxy) };
        Span<byte> bound = stackalloc byte[256 + 2];
        talk.Take(bound[..(length + 2)]);
        talk.EndOfAnswer();
    }

    private static int LengthOfName(ProxyTalk talk)
    {
        Span<byte> one = stackalloc byte[1];
        talk.Take(one);
        return one[0];
    }

    private static void LogIn(ProxyTalk talk, ProxyServer proxy)
    {
        byte[] user = Encoding.UTF8.GetBytes(proxy.User!), password = Encoding.UTF8.GetBytes(proxy.Password ?? "");
        talk.Send([LoginVersion, (byte)user.Length, .. user, (byte)password.Length, .. password]);
        Array.Clear(password);
        Span<byte> answer = stackalloc byte[2];
        talk.Take(answer);
        if (answer[0] != LoginVersion) throw Garbage(proxy);
        if (answer[1] != 0) throw new UserError($"the {proxy.Name} does not accept user {proxy.User} with that password; check Proxy and ProxyPasswordFile, or all_proxy");
    }

    private static byte[] Request(string host, int port)
    {
        if (!ProxyServer.IsHost(host)) throw new UserError($"'{host}' cannot be named to a proxy; use a plain host name or an address");
        byte[] where = IPAddress.TryParse(host, out IPAddress? address)
            ? [address.AddressFamily == AddressFamily.InterNetwork ? V4 : V6, .. address.GetAddressBytes()]
            : [Name, (byte)host.Length, .. Encoding.ASCII.GetBytes(host)];
        byte[] request = [Version, Connect, 0, .. where, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(request.Length - 2), (ushort)port);
        return request;
    }

    private static UserError Garbage(ProxyServer proxy) => new($"the {proxy.Name} does not answer as a SOCKS proxy does; check kind, host and port of the proxy");

    private static string Explain(byte reply, ProxyServer proxy, string host, int port) => reply switch
    {
        2 => $"the {proxy.Name} forbids a connection to {host} port {port}; ask its administrator",
        3 or 4 or 6 => $"the {proxy.Name} cannot reach {host} port {port} ({(reply == 3 ? "network unreachable" : reply == 4 ? "host unreachable, or no such name" : "no answer in time")}); check name and port, or ask its administrator",
        5 => $"the {proxy.Name} reached {host}, but port {port} refused the connection; is pvpn-server running there, on that port?",
        7 or 8 => $"the {proxy.Name} cannot do {(reply == 7 ? "CONNECT" : "this kind of address")}; use another one",
        _ => $"the {proxy.Name} could not connect to {host} port {port} (reply {reply}); its log may say why",
    };
}
