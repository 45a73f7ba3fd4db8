namespace PersonalVpn.Unit.UserAuthTests;

/// <summary>A private directory that is gone after the test.</summary>
public sealed class TempDirectory : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("pvpn-userauth-").FullName;

    public string this[string name] => Path.Combine(Root, name);

    public string Write(string name, string text, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        string path = this[name];
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, mode);
        return path;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
