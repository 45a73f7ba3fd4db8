namespace PersonalVpn.Cli.Terminal;

/// <summary>Is this the right server? Asked on /dev/tty, never on stdin or stdout, which belong to the command.</summary>
internal static class HostKeyPrompt
{
    /// <summary>Asks until there is an answer; null when there is no terminal.</summary>
    /// <param name="question">What is known of the server, with the question.</param>
    /// <param name="fingerprint">Typed or pasted, it counts as yes, and compares better than eyes do.</param>
    public static bool? Confirm(string question, string fingerprint)
    {
        try
        {
            using var tty = new FileStream("/dev/tty", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
            using var reader = new StreamReader(tty, leaveOpen: true);
            using var writer = new StreamWriter(tty, leaveOpen: true) { AutoFlush = true };
            writer.Write(question);
            while (reader.ReadLine() is { } line)
            {
                if (Judge(line, fingerprint) is { } answer) return answer;
                writer.Write("Please type 'yes', 'no' or the fingerprint: ");
            }
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>yes, no or the fingerprint in full (letters of the fingerprint as they are); null = ask again.</summary>
    public static bool? Judge(string typed, string fingerprint) => typed.Trim() switch
    {
        string t when t.Equals("yes", StringComparison.OrdinalIgnoreCase) || t == fingerprint => true,
        // As in ssh, an empty line is no answer that opens a connection.
        string t when t.Equals("no", StringComparison.OrdinalIgnoreCase) || t.Length == 0 => false,
        _ => null,
    };
}
