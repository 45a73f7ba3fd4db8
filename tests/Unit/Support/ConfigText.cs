using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Unit.Support;

/// <summary>Configuration lines without a file.</summary>
internal static class ConfigText
{
    /// <summary>The lines of a text, as if read from the file "test.conf".</summary>
    public static List<KeywordLine> Lines(params string[] lines) => KeywordFile.Parse("test.conf", string.Join('\n', lines));

    /// <summary>One line.</summary>
    public static KeywordLine Line(string line) => Lines(line).Single();
}
