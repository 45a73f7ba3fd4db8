using System.Runtime.CompilerServices;

namespace PersonalVpn.Unit.Support;

/// <summary>
/// Files that others depend on. A difference fails the test and leaves what came beside the file as <c>.received</c>; when it is
/// meant, that file takes the other's place.
/// </summary>
internal static class Golden
{
    /// <summary>Compares a text with the file of that name beside the test.</summary>
    public static void Check(string name, string text, [CallerFilePath] string caller = "")
    {
        string path = Path.Combine(Path.GetDirectoryName(caller)!, name), received = path + ".received";
        string expected = File.Exists(path) ? File.ReadAllText(path) : "";
        if (expected == text)
        {
            File.Delete(received);
            return;
        }
        File.WriteAllText(received, text);
        Xunit.Assert.Fail($"{path} is not what came; see {received}\n{text}");
    }
}
