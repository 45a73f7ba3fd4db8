using System.Globalization;

namespace PersonalVpn.Linux;

/// <summary>Who is at the other end of a Unix socket, as the kernel recorded it at connect() (SO_PEERCRED, unix(7)).</summary>
/// <param name="Pid">Process id; may have ended and been reused since: good for logs, never for decisions.</param>
/// <param name="Uid">Effective user id.</param>
/// <param name="Gid">Effective group id.</param>
public readonly record struct PeerCredentials(int Pid, uint Uid, uint Gid)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"uid {Uid} gid {Gid} pid {Pid}");
}
