using System.Text.Json;
using PersonalVpn.Kernel.Support;

namespace PersonalVpn.Kernel.Install;

/// <summary>What runs on the machines of Scripts/lab/twohosts.py; not beside tests that measure.</summary>
[CollectionDefinition(Collection, DisableParallelization = true)]
public sealed class Machines
{
    /// <summary>Name of the collection.</summary>
    public const string Collection = "packages on Debian machines";

    /// <summary>The first run on a machine makes the Debian tree, from a mirror.</summary>
    private const int TimeoutMs = 300_000;

    /// <summary>A file of the checkout.</summary>
    public static string PathOf(string relative)
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "PersonalVpn.sln"))) return Path.Combine(at.FullName, relative);
        throw new InvalidOperationException($"no PersonalVpn.sln above {AppContext.BaseDirectory}: run the tests from a checkout");
    }

    /// <summary>Runs a script that writes what it saw to the file it is given last.</summary>
    public static JsonElement Run(string script, params string[] arguments)
    {
        string facts = Path.GetTempFileName();
        try
        {
            Shell.Exec(TimeoutMs, ["/usr/bin/python3", PathOf(script), .. arguments, facts]);
            return JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(facts));
        }
        finally { File.Delete(facts); }
    }
}
