using System.Net.Sockets;

namespace PersonalVpn.UserAuth;

/// <summary>
/// Asks the user's ssh agent (draft-miller-ssh-agent) for its keys and for signatures. Every question uses a
/// connection of its own, so a restarted agent is no problem; the agent is never forwarded to anybody.
/// </summary>
/// <remarks>
/// <code>
/// message            uint32 length | byte type | contents
/// list (11)          -> answer (12): uint32 count, then count times: string key blob | string comment
/// sign (13)          string key blob | string data | uint32 flags (2 SHA-256, 4 SHA-512)
///                    -> response (14): string: string algorithm | string signature
/// failure (5)        no contents
/// </code>
/// </remarks>
public sealed class AgentClient
{
    /// <summary>Environment variable that names the agent's socket.</summary>
    public const string SocketVariable = "SSH_AUTH_SOCK";

    private const byte Failure = 5;
    private const byte RequestIdentities = 11;
    private const byte IdentitiesAnswer = 12;
    private const byte SignRequest = 13;
    private const byte SignResponse = 14;
    private const uint FlagSha256 = 2;
    private const uint FlagSha512 = 4;

    private const int MaximumMessageBytes = 256 * 1024; // AGENT_MAX_LEN of OpenSSH
    private const int MaximumKeys = 2048;
    private const int MaximumCommentBytes = 1024;

    /// <summary>An agent that holds no answer back lists its keys in this time.</summary>
    private static readonly TimeSpan ListTimeout = TimeSpan.FromSeconds(10);

    /// <summary>The agent may ask a person to confirm (ssh-add -c) or to touch a token.</summary>
    private static readonly TimeSpan SignTimeout = TimeSpan.FromMinutes(2);

    /// <summary>An agent at a known socket.</summary>
    /// <param name="socketPath">Path of the agent's AF_UNIX socket.</param>
    public AgentClient(string socketPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(socketPath);
        SocketPath = socketPath;
    }

    /// <summary>Path of the agent's socket.</summary>
    public string SocketPath { get; }

    /// <summary>The agent that <c>SSH_AUTH_SOCK</c> names, or null when the variable is unset or empty.</summary>
    public static AgentClient? FromEnvironment() =>
        Environment.GetEnvironmentVariable(SocketVariable) is { Length: > 0 } path ? new AgentClient(path) : null;

    /// <summary>Lists the keys that can be used here; others (too weak, of another type) are left out.</summary>
    /// <param name="identities">The keys, in the agent's order.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public bool TryListIdentities(out IReadOnlyList<IUserIdentity> identities, out string error) =>
        TryListIdentities(out identities, out _, out error);

    /// <summary>Lists the keys that can be used here and says why others cannot.</summary>
    /// <param name="identities">The keys, in the agent's order.</param>
    /// <param name="leftOut">One line for each key that was left out.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public bool TryListIdentities(
        out IReadOnlyList<IUserIdentity> identities, out IReadOnlyList<string> leftOut, out string error)
    {
        var found = new List<IUserIdentity>();
        var skipped = new List<string>();
        identities = found;
        leftOut = skipped;
        if (!TryAsk([RequestIdentities], IdentitiesAnswer, ListTimeout, out byte[] answer, out error))
        {
            return false;
        }
        var reader = new SshReader(answer);
        if (!reader.TryReadUInt32(out uint count) || count > MaximumKeys)
        {
            error = $"agent at '{SocketPath}' sent a malformed list of keys";
            return false;
        }
        for (uint i = 0; i < count; i++)
        {
            if (!reader.TryReadString(out ReadOnlySpan<byte> blob) || !reader.TryReadString(out ReadOnlySpan<byte> commentBytes))
            {
                error = $"agent at '{SocketPath}' sent a malformed list of keys";
                return false;
            }
            string comment = System.Text.Encoding.UTF8.GetString(commentBytes[..Math.Min(commentBytes.Length, MaximumCommentBytes)]);
            if (!PublicKey.TryParseBlob(blob, out PublicKey? key, out string reason))
            {
                skipped.Add($"agent key '{KeyPolicy.Printable(comment)}': {reason}");
            }
            else if (!key.CanVerify)
            {
                skipped.Add($"agent key '{KeyPolicy.Printable(comment)}': {KeyPolicy.UnsupportedMessage(key.Algorithm)}");
            }
            else
            {
                found.Add(new AgentIdentity(this, key, "agent: " + KeyPolicy.Printable(comment)));
            }
        }
        return true;
    }

    /// <summary>Has the agent sign. RSA keys sign with SHA-512, or SHA-256 where the agent can do no better; never SHA-1.</summary>
    /// <param name="key">A key the agent listed.</param>
    /// <param name="data">What to sign.</param>
    /// <param name="algorithm">Signature algorithm used, as <see cref="PublicKey.Verify"/> takes it.</param>
    /// <param name="signature">Signature bytes.</param>
    /// <param name="error">One line that says what failed and what to do.</param>
    public bool TrySign(PublicKey key, ReadOnlySpan<byte> data, out string algorithm, out byte[] signature, out string error)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.Algorithm != KeyTypes.Rsa)
        {
            return TrySign(key, data, 0, key.Algorithm, out algorithm, out signature, out error);
        }
        return TrySign(key, data, FlagSha512, KeyTypes.RsaSha512, out algorithm, out signature, out error)
            || TrySign(key, data, FlagSha256, KeyTypes.RsaSha256, out algorithm, out signature, out error);
    }

    private bool TrySign(
        PublicKey key, ReadOnlySpan<byte> data, uint flags, string wanted, out string algorithm, out byte[] signature, out string error)
    {
        algorithm = "";
        signature = [];
        byte[] request = new SshWriter().Byte(SignRequest).String(key.Blob.Span).String(data).UInt32(flags).ToArray();
        if (!TryAsk(request, SignResponse, SignTimeout, out byte[] answer, out error))
        {
            return false;
        }
        var outer = new SshReader(answer);
        if (!outer.TryReadString(out ReadOnlySpan<byte> blob) || !outer.AtEnd)
        {
            error = $"agent at '{SocketPath}' sent a malformed signature";
            return false;
        }
        var inner = new SshReader(blob);
        if (!inner.TryReadText(64, out string made) || !inner.TryReadString(out ReadOnlySpan<byte> bytes) || !inner.AtEnd)
        {
            error = $"agent at '{SocketPath}' sent a malformed signature";
            return false;
        }
        if (made != wanted)
        {
            error = $"agent at '{SocketPath}' signed with '{KeyPolicy.Printable(made)}' instead of '{wanted}': use a newer agent"
                + " or name the key file with -i";
            return false;
        }
        algorithm = made;
        signature = bytes.ToArray();
        return true;
    }

    /// <summary>One question, one answer; <paramref name="answer"/> is what follows the type byte.</summary>
    private bool TryAsk(ReadOnlySpan<byte> request, byte expected, TimeSpan timeout, out byte[] answer, out string error)
    {
        answer = [];
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.SendTimeout = (int)timeout.TotalMilliseconds;
            socket.ReceiveTimeout = (int)timeout.TotalMilliseconds;
            socket.Connect(new UnixDomainSocketEndPoint(SocketPath));
            byte[] message = new SshWriter().String(request).ToArray();
            for (int sent = 0; sent < message.Length;)
            {
                sent += socket.Send(message.AsSpan(sent));
            }
            Span<byte> head = stackalloc byte[4];
            ReceiveExactly(socket, head);
            uint length = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(head);
            if (length is 0 or > MaximumMessageBytes)
            {
                error = $"agent at '{SocketPath}' sent a message of {length} bytes";
                return false;
            }
            byte[] body = new byte[length];
            ReceiveExactly(socket, body);
            if (body[0] != expected)
            {
                error = body[0] == Failure
                    ? $"agent at '{SocketPath}' refused: is the key still loaded (ssh-add -l), is the agent locked, was the use confirmed?"
                    : $"agent at '{SocketPath}' sent an unexpected answer of type {body[0]}";
                return false;
            }
            answer = body[1..];
            error = "";
            return true;
        }
        catch (SocketException e)
        {
            error = $"cannot talk to the agent at '{SocketPath}' (from {SocketVariable}?): {PublicKey.OneLine(e)}";
        }
        catch (EndOfStreamException)
        {
            error = $"agent at '{SocketPath}' closed the connection";
        }
        catch (ArgumentOutOfRangeException)
        {
            error = $"agent socket path '{SocketPath}' is too long for a Unix socket";
        }
        return false;
    }

    private static void ReceiveExactly(Socket socket, Span<byte> target)
    {
        while (!target.IsEmpty)
        {
            int n = socket.Receive(target);
            if (n == 0)
            {
                throw new EndOfStreamException();
            }
            target = target[n..];
        }
    }
}
