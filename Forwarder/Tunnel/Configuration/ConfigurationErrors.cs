namespace PersonalVpn.Tunnel.Configuration;

/// <summary>Errors gathered while a configuration is read to its end, so that a check tells all of them at once.</summary>
public sealed class ConfigurationErrors
{
    private readonly List<string> _all = [];

    /// <summary>Does one step of the reading and keeps its error.</summary>
    public void Try(Action step)
    {
        try { step(); }
        catch (ConfigurationException e) { _all.AddRange(e.All); }
    }

    /// <summary>Throws what was gathered, if anything was.</summary>
    /// <exception cref="ConfigurationException">There were errors.</exception>
    public void ThrowIfAny()
    {
        if (_all.Count > 0) throw new ConfigurationException(_all);
    }
}
