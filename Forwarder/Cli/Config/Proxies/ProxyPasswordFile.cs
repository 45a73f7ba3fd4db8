using System.Text;
using Microsoft.Win32.SafeHandles;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli.Config.Proxies;

/// <summary>A file whose first line is the password for a proxy, which nobody but its owner may read.</summary>
internal static class ProxyPasswordFile
{
    private const int MaxBytes = 4096;

    private const UnixFileMode ForOthers = (UnixFileMode)0b000_111_111;

    /// <summary>The password.</summary>
    /// <param name="line">The configuration line, for messages.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="ConfigurationException">It cannot be read, others may read it, or there is no password in it.</exception>
    public static string Read(KeywordLine line, string path)
    {
        try
        {
            using SafeFileHandle file = File.OpenHandle(path);
            FileOwner owner = FileOwner.Of(file);
            if ((owner.Uid != FileOwner.CurrentUid && owner.Uid != 0) || (owner.Mode & ForOthers) != 0)
                throw line.Error($"{path} holds a password and others may read it, or it is not yours: chown {FileOwner.CurrentUid} and chmod 600 {path}");
            byte[] bytes = new byte[MaxBytes];
            int length = RandomAccess.Read(file, bytes, 0);
            string password = Encoding.UTF8.GetString(bytes, 0, length).Split('\n')[0].TrimEnd('\r');
            Array.Clear(bytes);
            return ProxyServer.IsCredential(password) ? password : throw line.Error($"the first line of {path} is no password (1 to 255 bytes, no control characters)");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw line.Error($"{path} cannot be read: {(e is FileNotFoundException or DirectoryNotFoundException ? "no such file" : e.Message)}");
        }
    }
}
