using PersonalVpn.Unit.Docs;

namespace PersonalVpn.Unit.Architecture;

/// <summary>The checkout's own files: without what the build makes.</summary>
internal static class Tree
{
    private static readonly HashSet<string> Made = ["bin", "obj", "out", "out.new", "TestResults", ".git"];

    /// <summary>Files below a directory (default: all).</summary>
    public static IEnumerable<string> Files(string? directory = null, string pattern = "*")
    {
        var todo = new Stack<DirectoryInfo>([new DirectoryInfo(directory ?? Repository.Root)]);
        while (todo.TryPop(out DirectoryInfo? at))
        {
            foreach (FileInfo file in at.EnumerateFiles(pattern))
                if (file.LinkTarget is null) yield return file.FullName;
            foreach (DirectoryInfo child in at.EnumerateDirectories())
                if (!Made.Contains(child.Name) && child.LinkTarget is null) todo.Push(child);
        }
    }
}
