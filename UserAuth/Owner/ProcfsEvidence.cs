namespace PersonalVpn.UserAuth;

/// <summary>
/// Finds owners in the socket tables below /proc/net: works on every kernel and costs milliseconds with many sockets,
/// so it is asked per flow, never per packet.
/// </summary>
/// <remarks>
/// <para>What it answers: TCP by the exact connection, else by a listener on that port (SYN-ACK); UDP, UDP-Lite and ping by
/// every socket on the packet's local port and address; anything else, and ICMP that no ping socket sent, by raw sockets
/// of that protocol, last by IPPROTO_RAW ones. IPv4 packets are also looked for in the IPv6 tables (v4-mapped and
/// dual-stack sockets). Sockets of several users: ambiguous.</para>
/// <para>What it cannot know: orphans (inode 0) and TIME_WAIT have no owner any more; a holder of CAP_NET_RAW can forge
/// any tuple, and a UDP socket may put another local address on a packet (IP_PKTINFO): only the UID that travels with the
/// packet tells these apart. Rows may be missed while the table changes under the reader: the answer then is "not found".</para>
/// <para>Which /proc: <c>/proc/net</c> and <c>/proc/self/net</c> are the main thread's network namespace; a thread that
/// called setns sees its own only at <c>/proc/thread-self/net</c>, which is therefore the default. Where the mount hides
/// nothing else (a mount namespace of its own), any root can be given.</para>
/// </remarks>
public sealed class ProcfsEvidence : IOwnerEvidence
{
    /// <summary>The tables of the calling thread's network namespace.</summary>
    public const string DefaultRoot = "/proc/thread-self/net";

    private const byte Icmp = 1, Tcp = 6, Udp = 17, Icmp6 = 58, UdpLite = 136;
    private const ushort AnyRawProtocol = 255; // IPPROTO_RAW

    private readonly Table _tcp, _udp, _udpLite, _icmp, _icmp6, _raw;
    private long _failures;
    private string? _lastError;

    /// <summary>Evidence from the tables in a directory.</summary>
    /// <param name="root">Directory that holds tcp, tcp6, udp, ...; see the remarks for which.</param>
    public ProcfsEvidence(string root = DefaultRoot)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        Root = root;
        _tcp = new Table(Path.Combine(root, "tcp"), Path.Combine(root, "tcp6"));
        _udp = new Table(Path.Combine(root, "udp"), Path.Combine(root, "udp6"));
        _udpLite = new Table(Path.Combine(root, "udplite"), Path.Combine(root, "udplite6"));
        _icmp = new Table(Path.Combine(root, "icmp"), null);
        _icmp6 = new Table(null, Path.Combine(root, "icmp6"));
        _raw = new Table(Path.Combine(root, "raw"), Path.Combine(root, "raw6"));
    }

    /// <summary>Directory of the tables.</summary>
    public string Root { get; }

    /// <summary>How often a table existed but could not be read; such a packet has no owner, whatever other tables say.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>The last reason why a table could not be read, one line, or null.</summary>
    public string? LastError => Volatile.Read(ref _lastError);

    /// <summary>Whether the tables are there at all: asked once at start, so that a wrong mount is told and not found out.</summary>
    /// <param name="error">One line that says what is wrong and what to do.</param>
    public bool TryCheck(out string error)
    {
        string path = _tcp.V4!;
        try
        {
            var nobody = new OwnerSearch(default, OwnerMatch.Connection, 0);
            if (ProcNetTable.Read(path, v6: false, ref nobody))
            {
                error = "";
                return true;
            }
            error = $"there is no '{path}': is /proc mounted here?";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error = $"cannot read '{path}': {PublicKey.OneLine(e)}";
        }
        return false;
    }

    /// <inheritdoc/>
    /// <remarks>Never throws: what cannot be read proves nothing, so the answer is "not found" and <see cref="Failures"/> counts.</remarks>
    public OwnerAnswer Lookup(in SocketTuple tuple)
    {
        try
        {
            return SearchTables(tuple);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Interlocked.Increment(ref _failures);
            Volatile.Write(ref _lastError, PublicKey.OneLine(e));
            return OwnerAnswer.Nobody with { Evidence = OwnerEvidence.Procfs };
        }
    }

    private OwnerAnswer SearchTables(in SocketTuple tuple)
    {
        switch (tuple.Protocol)
        {
            case Tcp:
                return Search(_tcp, tuple, OwnerMatch.Connection, tuple.LocalPort);
            case Udp:
                return Search(_udp, tuple, OwnerMatch.Datagram, tuple.LocalPort);
            case UdpLite:
                return Search(_udpLite, tuple, OwnerMatch.Datagram, tuple.LocalPort);
            case Icmp when !tuple.IsV6:
            case Icmp6 when tuple.IsV6:
                OwnerAnswer ping = Search(tuple.IsV6 ? _icmp6 : _icmp, tuple, OwnerMatch.Datagram, tuple.LocalPort);
                return ping.Verdict != OwnerVerdict.NotFound ? ping : SearchRaw(tuple);
            default:
                return SearchRaw(tuple);
        }
    }

    private OwnerAnswer SearchRaw(in SocketTuple tuple)
    {
        OwnerAnswer answer = Search(_raw, tuple, OwnerMatch.Raw, tuple.Protocol);
        return answer.Verdict != OwnerVerdict.NotFound ? answer : Search(_raw, tuple, OwnerMatch.Raw, AnyRawProtocol);
    }

    private static OwnerAnswer Search(in Table table, in SocketTuple tuple, OwnerMatch match, ushort port)
    {
        var search = new OwnerSearch(tuple, match, port);
        if (!tuple.IsV6 && table.V4 is not null)
        {
            ProcNetTable.Read(table.V4, v6: false, ref search);
        }
        if (table.V6 is not null && !search.IsSettled)
        {
            ProcNetTable.Read(table.V6, v6: true, ref search);
        }
        return search.Answer();
    }

    /// <summary>The two files of a protocol; null where the protocol is of one family only.</summary>
    private readonly record struct Table(string? V4, string? V6);
}
