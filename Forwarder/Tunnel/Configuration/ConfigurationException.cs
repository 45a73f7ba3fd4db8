namespace PersonalVpn.Tunnel.Configuration;

/// <summary>A configuration that cannot be used; the message is one line: file:line: keyword: what to mend.</summary>
public sealed class ConfigurationException : Exception
{
    /// <summary>Creates the error with its line.</summary>
    public ConfigurationException(string message) : base(message) => All = [message];

    /// <summary>Creates the error with its line and cause.</summary>
    public ConfigurationException(string message, Exception inner) : base(message, inner) => All = [message];

    /// <summary>Creates the error of several lines; its message is the first, and says how many follow.</summary>
    public ConfigurationException(IReadOnlyList<string> all) : base(all.Count == 1 ? all[0] : $"{all[0]} (and {all.Count - 1} more)") => All = all;

    /// <summary>Creates the error without a text; prefer one.</summary>
    public ConfigurationException() => All = [Message];

    /// <summary>Every error that was found, a line each.</summary>
    public IReadOnlyList<string> All { get; }
}
