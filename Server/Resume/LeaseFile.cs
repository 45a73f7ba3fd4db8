using System.Text.Json;
using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;

namespace PersonalVpn.Server.Resume;

/// <summary>
/// Keeps leases over a restart: a journal of one JSON line per change, the last line about a lease counts. A line is handed to the
/// kernel before the change is answered for, so a killed server forgets nothing. The file's time of change says until when the server
/// lived. Without a file (none wanted, or not to be had) leases live as long as the process. Guarded by the registry's lock.
/// </summary>
internal sealed partial class LeaseFile : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string? _path;
    private readonly ILogger _log;
    private FileStream? _file;
    private int _lines;

    private LeaseFile(string? path, ILogger log) => (_path, _log) = (path, log);

    /// <summary>No file.</summary>
    public static LeaseFile None(ILogger log) => new(null, log);

    /// <summary>Reads the file and takes it, alone. What cannot be had is said in the log, and done without.</summary>
    /// <param name="path">Where; its directory is made if it is missing.</param>
    /// <param name="log">For what goes wrong.</param>
    /// <param name="leases">Those in it; each without a holder.</param>
    public static LeaseFile Open(string path, ILogger log, out IReadOnlyList<Lease> leases)
    {
        var file = new LeaseFile(path, log);
        leases = [];
        try
        {
            if (Path.GetDirectoryName(path) is { Length: > 0 } directory && !Directory.Exists(directory))
                Directory.CreateDirectory(directory, OwnerOnly | UnixFileMode.UserExecute);
            // Kept open and locked (FileShare.None is flock): a second server with the same file would give out the same addresses.
            file._file = new FileStream(path, Options(FileMode.OpenOrCreate));
            var owner = FileOwner.Of(file._file.SafeFileHandle);
            if (owner.Uid != FileOwner.CurrentUid || (owner.Mode & ~OwnerOnly) != 0)
                throw new UnauthorizedAccessException($"{path}: not the server's own, or others may read or write it; chown it or remove it, and chmod 600");
            leases = file.Read();
            file.Compact(leases);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            file.Dispose();
            file._file = null;
            file.LogUnusable(e.Message);
        }
        return file;
    }

    /// <summary>Writes down a lease as it is now. <paramref name="all"/> are all there are, for when the journal has grown too long.</summary>
    public void Save(Lease lease, IReadOnlyCollection<Lease> all) => Append(LeaseRecord.Of(lease), all);

    /// <summary>Writes down that a lease is no more.</summary>
    public void Forget(Lease lease, IReadOnlyCollection<Lease> all) => Append(new LeaseRecord { Id = lease.Id, Gone = true }, all);

    /// <summary>Says that the server lives.</summary>
    public void Touch() => Try(() =>
    {
        if (_file is not null) File.SetLastWriteTimeUtc(_file.SafeFileHandle, DateTime.UtcNow);
    });

    // A timer or a connection that ends may still want to write something down.
    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }

    private static FileStreamOptions Options(FileMode mode) =>
        new() { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.None, UnixCreateMode = OwnerOnly, BufferSize = 0 };

    private List<Lease> Read()
    {
        DateTimeOffset lived = File.GetLastWriteTimeUtc(_file!.SafeFileHandle);
        var last = new Dictionary<string, LeaseRecord>(StringComparer.Ordinal);
        using var reader = new StreamReader(_file, leaveOpen: true);
        int bad = 0;
        while (reader.ReadLine() is { } line)
        {
            try
            {
                if (JsonSerializer.Deserialize(line, LeaseJson.Default.LeaseRecord) is not { } record || !LeaseRecord.IsId(record.Id)) bad++;
                else if (record.Gone) last.Remove(record.Id);
                else last[record.Id] = record;
            }
            catch (JsonException)
            {
                // The last line of a server that was killed while it wrote it.
                bad++;
            }
        }
        var leases = new List<Lease>();
        foreach (LeaseRecord record in last.Values)
        {
            if (record.ToLease() is not { } lease)
            {
                bad++;
                continue;
            }
            lease.EndedAt ??= lived;
            leases.Add(lease);
        }
        if (bad > 0) LogBadLines(_path!, bad);
        return leases;
    }

    private void Append(LeaseRecord record, IReadOnlyCollection<Lease> all) => Try(() =>
    {
        if (_file is null) return;
        if (++_lines > (4 * all.Count) + 1000)
        {
            Compact(all);
            return;
        }
        _file.Seek(0, SeekOrigin.End);
        _file.Write(Line(record));
    });

    // In place: the lock stays, and a server killed in between has lost leases, not given one away.
    private void Compact(IReadOnlyCollection<Lease> all)
    {
        using var whole = new MemoryStream();
        foreach (Lease lease in all) whole.Write(Line(LeaseRecord.Of(lease)));
        _file!.SetLength(0);
        _file.Seek(0, SeekOrigin.Begin);
        _file.Write(whole.GetBuffer().AsSpan(0, (int)whole.Length));
        _lines = all.Count;
    }

    private static byte[] Line(LeaseRecord record) => [.. JsonSerializer.SerializeToUtf8Bytes(record, LeaseJson.Default.LeaseRecord), (byte)'\n'];

    // A full disk is no reason to refuse logins; that the next restart will not know them is said once.
    private void Try(Action action)
    {
        try { action(); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _file?.Dispose();
            _file = null;
            LogUnusable(e.Message);
        }
    }

    [LoggerMessage(900, LogLevel.Warning, "sessions will not be known after a restart: the lease file cannot be used: {Problem}")]
    private partial void LogUnusable(string problem);

    [LoggerMessage(901, LogLevel.Warning, "{Path}: {Count} lines make no sense and were left out")]
    private partial void LogBadLines(string path, int count);
}
