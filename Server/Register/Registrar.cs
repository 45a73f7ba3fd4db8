using Microsoft.Extensions.Logging;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Sessions;

namespace PersonalVpn.Server.Register;

/// <summary>All registrations of this server at gateways, as server.conf says now.</summary>
/// <param name="loops">Whose threads watch the connections.</param>
/// <param name="accept">Takes a caller's connection as if it had come to a port of this server's.</param>
/// <param name="log">For the registrations.</param>
internal sealed class Registrar(ServerLoop[] loops, Action<Carrier, ServerLoop> accept, ILogger log) : IDisposable
{
    private readonly Dictionary<RegisterTarget, Registration> _standing = [];
    private readonly Lock _gate = new();
    private int _nextLoop;

    /// <summary>For logins from now on.</summary>
    public RegisterSettings Settings { get; private set; } = new("", "");

    /// <summary>How long a gateway may be silent before it is asked, and how often.</summary>
    public (TimeSpan Interval, int Count) KeepAlive { get; private set; }

    /// <summary>Begins what is new, gives up what is gone, leaves the rest alone.</summary>
    public void Apply(ServerConfig config)
    {
        lock (_gate)
        {
            Settings = new RegisterSettings(config.RegisterKnownHosts, config.RegisterIdentity ?? config.HostKey);
            KeepAlive = (config.ClientAliveInterval, config.ClientAliveCountMax);
            foreach (RegisterTarget gone in _standing.Keys.Except(config.Registers).ToList())
            {
                _standing.Remove(gone, out Registration? registration);
                registration!.Dispose();
            }
            foreach (RegisterTarget target in config.Registers.Where(t => !_standing.ContainsKey(t))) _standing[target] = new Registration(target, this, log);
        }
    }

    /// <summary>The loops in turn.</summary>
    public ServerLoop NextLoop() => loops[(uint)Interlocked.Increment(ref _nextLoop) % loops.Length];

    public void Accept(Carrier carrier, ServerLoop loop) => accept(carrier, loop);

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (Registration r in _standing.Values) r.Dispose();
            _standing.Clear();
        }
    }
}
