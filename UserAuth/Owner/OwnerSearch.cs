namespace PersonalVpn.UserAuth;

/// <summary>How rows of a table are compared with a packet.</summary>
internal enum OwnerMatch
{
    /// <summary>TCP: the connection itself; without one, a listener (its SYN-ACKs).</summary>
    Connection,

    /// <summary>UDP, UDP-Lite, ping: every socket on that port and address can be the sender.</summary>
    Datagram,

    /// <summary>Raw sockets: the "port" is the protocol.</summary>
    Raw,
}

/// <summary>
/// Collects the users whose sockets can have sent one packet. Whoever is found stays found: a second user in the same
/// class makes the answer ambiguous, there is no guess.
/// </summary>
/// <remarks>
/// Datagram sockets are candidates by local port and address alone. SO_REUSEADDR lets sockets of different users share a
/// port, and a connected socket may still send elsewhere, so the remote end excludes nobody.
/// </remarks>
internal ref struct OwnerSearch(SocketTuple tuple, OwnerMatch match, ushort port)
{
    private const byte SynReceived = 3;
    private const byte TimeWait = 6;
    private const byte Listen = 10;

    private readonly SocketTuple _tuple = tuple;
    private readonly OwnerMatch _match = match;
    private readonly ushort _port = port;
    private Candidates _exact;
    private Candidates _wide;
    private bool _dead;

    /// <summary>Considers one row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="v6Table">Whether it stands in an IPv6 table; IPv4 packets of dual-stack sockets are found there.</param>
    public void Add(in ProcNetRow row, bool v6Table)
    {
        if (row.LocalPort != _port)
        {
            return;
        }
        bool mapped = v6Table && !_tuple.IsV6;
        bool localAny = row.LocalAddress == UInt128.Zero;
        if (!localAny && !Same(row.LocalAddress, _tuple.LocalAddress, mapped))
        {
            return;
        }
        bool remoteSame = Same(row.RemoteAddress, _tuple.RemoteAddress, mapped);
        bool remoteNone = row.RemoteAddress == UInt128.Zero;
        switch (_match)
        {
            case OwnerMatch.Connection when !localAny && remoteSame && row.RemotePort == _tuple.RemotePort:
                // A half-open connection has no file of its own yet and shows its listener's user.
                if (row.State == TimeWait || (row.Inode == 0 && row.State != SynReceived))
                {
                    _dead = true;
                }
                else
                {
                    _exact.Add(row.Uid);
                }
                break;
            case OwnerMatch.Connection when row.State == Listen && row.Inode != 0:
                _wide.Add(row.Uid);
                break;
            case OwnerMatch.Datagram when row.Inode != 0:
                _exact.Add(row.Uid);
                break;
            case OwnerMatch.Raw when row.Inode != 0 && (remoteNone || remoteSame):
                _exact.Add(row.Uid);
                break;
        }
    }

    /// <summary>True when no further row can change the answer: the kernel has one socket for a connection's four numbers.</summary>
    public readonly bool IsSettled => _match == OwnerMatch.Connection && (_exact.Any || _dead);

    /// <summary>The answer after all tables.</summary>
    public readonly OwnerAnswer Answer()
    {
        if (_exact.Any)
        {
            return _exact.Answer;
        }
        // The connection is there but nobody's any more: its packets are not the listener's.
        return _dead || !_wide.Any ? OwnerAnswer.Nobody with { Evidence = OwnerEvidence.Procfs } : _wide.Answer;
    }

    private static bool Same(UInt128 shown, UInt128 address, bool mapped) =>
        shown == (mapped ? address | ((UInt128)0xFFFF << 32) : address);

    /// <summary>No user, one, or several.</summary>
    private struct Candidates
    {
        private uint _uid;
        private bool _several;

        public bool Any { get; private set; }

        public readonly OwnerAnswer Answer => _several
            ? new OwnerAnswer(OwnerVerdict.Ambiguous, uint.MaxValue, OwnerEvidence.Procfs)
            : new OwnerAnswer(OwnerVerdict.Owner, _uid, OwnerEvidence.Procfs);

        public void Add(uint uid)
        {
            _several |= Any && uid != _uid;
            _uid = uid;
            Any = true;
        }
    }
}
