using PersonalVpn.UserAuth;

namespace PersonalVpn.Unit.Support;

/// <summary>
/// The host's sockets as the evidence would show them: who holds which tuple. Counts the questions. Everything else is nobody's.
/// </summary>
internal sealed class SocketsOfHost : IOwnerEvidence
{
    private readonly Dictionary<SocketTuple, OwnerAnswer> _answers = [];

    /// <summary>How often evidence was asked.</summary>
    public int Asked { get; private set; }

    /// <summary>A user holds the socket.</summary>
    public void Open(SocketTuple tuple, uint uid) => _answers[tuple] = new OwnerAnswer(OwnerVerdict.Owner, uid, OwnerEvidence.Procfs);

    /// <summary>Sockets of several users match.</summary>
    public void Share(SocketTuple tuple) => _answers[tuple] = new OwnerAnswer(OwnerVerdict.Ambiguous, uint.MaxValue, OwnerEvidence.Procfs);

    /// <summary>The socket is closed.</summary>
    public void Close(SocketTuple tuple) => _answers.Remove(tuple);

    public OwnerAnswer Lookup(in SocketTuple tuple)
    {
        Asked++;
        return _answers.TryGetValue(tuple, out OwnerAnswer answer) ? answer : OwnerAnswer.Nobody;
    }
}
