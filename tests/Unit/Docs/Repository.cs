namespace PersonalVpn.Unit.Docs;

/// <summary>The checkout that the tests were built from: found by the solution file above the test's own directory.</summary>
internal static class Repository
{
    /// <summary>Its root directory.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Absolute path of a file in it.</summary>
    public static string PathOf(string relative) => Path.Combine(Root, relative);

    /// <summary>Text of a file in it.</summary>
    public static string Read(string relative) => File.ReadAllText(PathOf(relative));

    /// <summary>README, CHANGELOG and docs/*.md, relative.</summary>
    public static IEnumerable<string> Documents =>
        Directory.GetFiles(PathOf("docs"), "*.md").Select(f => Path.GetRelativePath(Root, f)).Concat(["README.md", "CHANGELOG.md"]);

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "PersonalVpn.sln"))) return at.FullName;
        throw new InvalidOperationException($"no PersonalVpn.sln above {AppContext.BaseDirectory}: run the tests from a checkout");
    }
}
