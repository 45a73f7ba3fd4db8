using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Server.Configuration;

/// <summary>Are the files that server.conf names what they should be? A start would find out; <c>pvpn-server check</c> does before.</summary>
internal static class NamedFiles
{
    /// <summary>Looks into them without making any.</summary>
    /// <exception cref="ConfigurationException">The errors, each with the line that names the file.</exception>
    public static void Check(ServerConfig config, ServerConfigReader reader)
    {
        var errors = new ConfigurationErrors();
        errors.Try(() => Keys(config, reader));
        if (config.Banner is { } banner) errors.Try(() => Readable(banner, reader.LineOf("Banner")));
        if (config.RegisterIdentity is { } identity) errors.Try(() => Readable(identity, reader.LineOf("RegisterIdentity")));
        if (config.WebRoot is { } web && !Directory.Exists(web)) errors.Try(() => throw Error(reader.LineOf("WebRoot"), $"{web} is no directory"));
        errors.ThrowIfAny();
    }

    // A missing host key is made at the first start; a certificate without its key is of no use.
    private static void Keys(ServerConfig config, ServerConfigReader reader)
    {
        KeywordLine? line = reader.LineOf("Certificate") ?? reader.LineOf("HostKey");
        if (!File.Exists(config.HostKey))
        {
            if (config.Certificate is not null) throw Error(line, $"there is no {config.HostKey} (HostKey) that it could belong to");
            return;
        }
        try { HostKey.Load(config.HostKey, config.Certificate).Dispose(); }
        catch (ConfigurationException e) { throw Error(line, e.Message); }
    }

    private static void Readable(string path, KeywordLine? line)
    {
        try { File.OpenHandle(path).Dispose(); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { throw Error(line, $"{path} cannot be read: {e.Message}"); }
    }

    private static ConfigurationException Error(KeywordLine? line, string problem) => line?.Error(problem) ?? new ConfigurationException(problem);
}
