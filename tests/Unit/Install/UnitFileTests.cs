using System.Globalization;
using System.Text.RegularExpressions;
using PersonalVpn.Unit.Docs;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.Install;

/// <summary>The systemd units stay as closed as docs/admin.md says, by the figure of systemd-analyze.</summary>
public sealed class UnitFileTests
{
    [Theory]
    [InlineData("pvpnd")]
    [InlineData("pvpn-server")]
    public void Exposure_is_at_most_what_the_document_says(string unit)
    {
        string directory = Directory.CreateTempSubdirectory("pvpn-unit-").FullName;
        try
        {
            string file = Path.Combine(directory, unit + ".service");
            File.WriteAllText(file, Repository.Read($"Scripts/systemd/{unit}.service").Replace("@PREFIX@", "/usr", StringComparison.Ordinal)
                .Replace("@SYSCONFDIR@", "/etc", StringComparison.Ordinal).Replace("@TMPFILESDIR@", "/usr/lib/tmpfiles.d", StringComparison.Ordinal));
            string said = Tool.Run("systemd-analyze", "security", "--offline=yes", "--no-pager", file);
            double figure = Number(Regex.Match(said, @"Overall exposure level for .*: ([\d.]+)"));
            double documented = Number(Regex.Match(Repository.Read("docs/admin.md"), $@"^\| `{unit}\.service` \| ([\d.]+) \|", RegexOptions.Multiline));
            Assert.True(figure <= documented, $"systemd-analyze says {figure}, docs/admin.md {documented}\n{said}");
        }
        finally { Directory.Delete(directory, recursive: true); }
    }

    [Theory]
    [InlineData("pvpnd", "CAP_NET_ADMIN CAP_NET_RAW")]
    [InlineData("pvpn-server", "CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE")]
    public void Capabilities_are_those_of_the_documents(string unit, string capabilities)
    {
        string text = Repository.Read($"Scripts/systemd/{unit}.service");
        Assert.Contains($"\nAmbientCapabilities={capabilities}\n", text, StringComparison.Ordinal);
        Assert.Contains($"\nCapabilityBoundingSet={capabilities}\n", text, StringComparison.Ordinal);
        Assert.Contains("\nUser=pvpn\n", text, StringComparison.Ordinal);
        Assert.Contains("\nNoNewPrivileges=yes\n", text, StringComparison.Ordinal);
    }

    /// <summary>/run/pvpn is the user pvpn's: root would follow what links that user leaves there.</summary>
    [Fact]
    public void The_package_scripts_start_no_daemon_as_root()
    {
        foreach (string script in new[] { "postinst", "prerm", "postrm" })
            foreach (string package in new[] { "pvpn", "pvpn-server" })
                foreach (string line in Repository.Read($"packaging/debian/{package}.{script}").Split('\n').Where(l => Regex.IsMatch(l, @"\bpvpnd cleanup")))
                    Assert.Contains("setpriv --reuid pvpn --regid pvpn --clear-groups", line, StringComparison.Ordinal);
    }

    private static double Number(Match match)
    {
        Assert.True(match.Success, "no figure found");
        return double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
    }
}
