using System.Text;
using Mono.Unix.Native;

namespace PersonalVpn.UserAuth;

/// <summary>
/// The servers a user trusts, in files of OpenSSH's known_hosts format. Several files are read; new servers go to the
/// first that can be written. Every question reads the files afresh, so that what another process added counts.
/// </summary>
public sealed class KnownHosts
{
    /// <summary>Largest file read, in bytes.</summary>
    public const int MaximumFileBytes = 4 * 1024 * 1024;

    // Written as for ssh: nobody is known, and nobody becomes known. Any other device is an error.
    private const string Nowhere = "/dev/null";

    private readonly string[] _files;

    /// <summary>Known hosts in the given files.</summary>
    /// <param name="files">Paths, in order; missing files count as empty.</param>
    public KnownHosts(params IEnumerable<string> files)
    {
        _files = [.. files];
        if (_files.Length == 0)
        {
            throw new ArgumentException("at least one known_hosts file must be named", nameof(files));
        }
    }

    /// <summary>The files, in order.</summary>
    public IReadOnlyList<string> Files => _files;

    /// <summary>
    /// Looks a server up. A revoked key is refused first; a matching line in any file is a match; any other line for the
    /// server, also one whose key cannot be read, means that the key was changed.
    /// </summary>
    /// <param name="host">Name or address as the user wrote it.</param>
    /// <param name="port">TCP port.</param>
    /// <param name="key">The key the server showed.</param>
    /// <exception cref="ArgumentException">The host cannot be a host name, or the port is out of range.</exception>
    public KnownHostsAnswer Check(string host, int port, PublicKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        string name = KnownHostsLine.NameOf(host, port);
        KnownHostsAnswer? match = null;
        KnownHostsAnswer? changed = null;
        foreach (string path in _files)
        {
            if (!TryReadLines(path, out string[] lines, out string error))
            {
                return new KnownHostsAnswer(KnownHostsVerdict.Unreadable, path, 0, null, error);
            }
            for (int i = 0; i < lines.Length; i++)
            {
                if (KnownHostsLine.Parse(lines[i]) is not { Marker: "" or "@revoked" } line || !line.Matches(name))
                {
                    continue;
                }
                bool readable = PublicKey.TryParseOpenSsh(line.KeyText, out PublicKey? known, out _);
                bool same = readable && key.Equals(known);
                if (line.Marker.Length > 0)
                {
                    if (same)
                    {
                        return new KnownHostsAnswer(KnownHostsVerdict.Revoked, path, i + 1, null, null);
                    }
                }
                else if (same)
                {
                    match ??= new KnownHostsAnswer(KnownHostsVerdict.Match, path, i + 1, null, null);
                }
                else
                {
                    changed ??= new KnownHostsAnswer(
                        KnownHostsVerdict.Changed, path, i + 1, readable ? known!.Fingerprint : "(unreadable key)", null);
                }
            }
        }
        return match ?? changed ?? new KnownHostsAnswer(KnownHostsVerdict.Unknown, null, 0, null, null);
    }

    /// <summary>The line that makes a server known.</summary>
    /// <param name="host">Name or address as the user wrote it.</param>
    /// <param name="port">TCP port.</param>
    /// <param name="key">The server's key.</param>
    public static string LineFor(string host, int port, PublicKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return KnownHostsLine.NameOf(host, port) + " " + key.ToOpenSsh(null);
    }

    /// <summary>
    /// Adds a server to the first file that can be written; file (0600) and directory (0700) are made where missing. The
    /// line is appended in one write under a lock; a line that is already there is not added again.
    /// </summary>
    /// <param name="host">Name or address as the user wrote it.</param>
    /// <param name="port">TCP port.</param>
    /// <param name="key">The server's key.</param>
    /// <param name="error">One line that says why no file could be written.</param>
    public bool Add(string host, int port, PublicKey key, out string error)
    {
        ArgumentNullException.ThrowIfNull(key);
        string line = LineFor(host, port, key);
        error = "";
        foreach (string path in _files)
        {
            if (TryAppend(path, line, out string reason))
            {
                error = "";
                return true;
            }
            error = error.Length == 0 ? reason : error + "; " + reason;
        }
        return false;
    }

    /// <summary>
    /// Removes every line that names exactly this server from all files; each file is replaced in one step, with its mode, and stays
    /// as it was under its name with <c>.old</c> behind it, as ssh-keygen -R does. A symbolic link stays one: what it leads to is
    /// changed. Lines that name others, too, or by a pattern, stay.
    /// </summary>
    /// <param name="host">Name or address as the user wrote it.</param>
    /// <param name="port">TCP port.</param>
    /// <param name="error">One line that says why a file could not be changed; empty when all could.</param>
    /// <returns>Number of lines removed.</returns>
    public int Remove(string host, int port, out string error)
    {
        string name = KnownHostsLine.NameOf(host, port);
        int removed = 0;
        error = "";
        foreach (string path in _files)
        {
            removed += RemoveFrom(path, name, ref error);
        }
        return removed;
    }

    private static bool TryAppend(string path, string line, out string error)
    {
        if (path == Nowhere)
        {
            error = "";
            return true;
        }
        try
        {
            string directory = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            using FileStream file = LockedFile.Open(path, create: true);
            byte[] old = new byte[Math.Min(file.Length, MaximumFileBytes)];
            file.ReadExactly(old);
            string text = Encoding.UTF8.GetString(old);
            error = "";
            if (text.Split('\n').Any(l => l.TrimEnd('\r') == line))
            {
                return true;
            }
            bool needsNewline = text.Length > 0 && text[^1] != '\n';
            file.Seek(0, SeekOrigin.End);
            file.Write(Encoding.UTF8.GetBytes((needsNewline ? "\n" : "") + line + "\n"));
            file.Flush(flushToDisk: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error = $"cannot write '{path}': {PublicKey.OneLine(e)}";
            return false;
        }
    }

    private static int RemoveFrom(string path, string name, ref string error)
    {
        if (path == Nowhere || !File.Exists(path))
        {
            return 0;
        }
        // Beside the real file: a rename is one step within a directory alone.
        string real = File.ResolveLinkTarget(path, true)?.FullName ?? path;
        string temporary = $"{real}.{Guid.NewGuid():N}";
        try
        {
            using FileStream file = LockedFile.Open(path, create: false);
            if (!TryReadLines(path, out string[] lines, out string reason))
            {
                error = reason;
                return 0;
            }
            string[] kept = Array.FindAll(lines, l => KnownHostsLine.Parse(l) is not { Marker: "" } line || !line.IsFor(name));
            if (kept.Length == lines.Length)
            {
                return 0;
            }
            using (var next = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            {
                next.Write(Encoding.UTF8.GetBytes(string.Join('\n', kept)));
                next.Flush(flushToDisk: true);
            }
            File.SetUnixFileMode(temporary, File.GetUnixFileMode(real));
            KeepAsOld(real);
            File.Move(temporary, real, overwrite: true);
            return lines.Length - kept.Length;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error = $"cannot change '{path}': {PublicKey.OneLine(e)}";
            File.Delete(temporary);
            return 0;
        }
    }

    // A second name of the same file, made before the first is given to the new one: at no moment is there no file.
    private static void KeepAsOld(string real)
    {
        File.Delete(real + ".old");
        if (Syscall.link(real, real + ".old") != 0)
        {
            throw new IOException($"cannot keep '{real}.old': {Stdlib.GetLastError()}");
        }
    }

    private static bool TryReadLines(string path, out string[] lines, out string error)
    {
        lines = [];
        error = "";
        if (path == Nowhere)
        {
            return true;
        }
        if (!CheckedFile.TryOpen(path, out CheckedFile? file, out bool missing, out error))
        {
            return missing;
        }
        using (file)
        {
            if (!file!.TryReadAll(MaximumFileBytes, out byte[] content, out error))
            {
                return false;
            }
            lines = Encoding.UTF8.GetString(content).Split('\n');
            return true;
        }
    }
}
