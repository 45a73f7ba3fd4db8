using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Server.Configuration;

/// <summary>
/// What SIGHUP changes. Sockets, the host key, the device and its addresses exist once for all sessions and stay as they were made
/// at the start; everything else counts for connections that come from now on. Decides alone, does nothing.
/// </summary>
internal static class ServerReload
{
    /// <summary>The configuration in force from now on, and the keywords of the file that a restart alone changes.</summary>
    /// <param name="running">The configuration in force.</param>
    /// <param name="read">The file as it is now.</param>
    /// <param name="pools">The pools that were made at the start.</param>
    /// <exception cref="ConfigurationException">A Match block names a pool that the running server does not have.</exception>
    public static (ServerConfig Config, IReadOnlyList<string> NeedRestart) Merge(ServerConfig running, ServerConfig read, IEnumerable<IpPrefix> pools)
    {
        IEnumerable<IpPrefix> fresh = read.Matches.Select(m => m.Settings.AddressPool).OfType<IpPrefix>().Except(pools);
        foreach (IpPrefix pool in fresh)
            throw new ConfigurationException($"AddressPool {pool} in a Match block is new: pools are made at the start; restart the server");

        (string Keyword, bool Same)[] fixedOnes =
        [
            ("ListenAddress", running.ListenAddresses.SequenceEqual(read.ListenAddresses)),
            ("Port", running.Port == read.Port),
            ("HostKey", running.HostKey == read.HostKey),
            ("Certificate", running.Certificate == read.Certificate),
            ("AddressPool", running.AddressPool == read.AddressPool),
            ("AddressPool6", running.AddressPool6 == read.AddressPool6),
            ("Egress", running.Egress == read.Egress),
            ("Inject", running.Inject == read.Inject),
            ("LeaseFile", running.LeaseFile == read.LeaseFile),
            ("ControlSocket", running.ControlSocket == read.ControlSocket),
        ];
        ServerConfig merged = read with
        {
            ListenAddresses = running.ListenAddresses,
            Port = running.Port,
            HostKey = running.HostKey,
            Certificate = running.Certificate,
            AddressPool = running.AddressPool,
            AddressPool6 = running.AddressPool6,
            Egress = running.Egress,
            Inject = running.Inject,
            LeaseFile = running.LeaseFile,
            ControlSocket = running.ControlSocket,
        };
        return (merged, [.. fixedOnes.Where(f => !f.Same).Select(f => f.Keyword)]);
    }
}
