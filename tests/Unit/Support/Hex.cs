using System.Text;

namespace PersonalVpn.Unit.Support;

/// <summary>Bytes written for readers: hex with white space and <c>|</c> between fields.</summary>
internal static class Hex
{
    /// <summary>The bytes of a drawing such as <c>"01 | 00 00 0c"</c>.</summary>
    public static byte[] Bytes(string drawing)
    {
        var digits = new StringBuilder();
        foreach (char c in drawing)
            if (char.IsAsciiHexDigit(c)) digits.Append(c);
        return Convert.FromHexString(digits.ToString());
    }

    /// <summary>The bytes of several parts, one after another.</summary>
    public static byte[] Join(params byte[][] parts) => [.. parts.SelectMany(p => p)];

    /// <summary>A counted byte string as messages carry it.</summary>
    public static byte[] Counted(params byte[] bytes) => [(byte)(bytes.Length >> 8), (byte)bytes.Length, .. bytes];

    /// <summary>A byte string counted in 32 bits, as ssh writes it (RFC 4251 section 5).</summary>
    public static byte[] Counted32(params byte[] bytes) => [0, 0, (byte)(bytes.Length >> 8), (byte)bytes.Length, .. bytes];

    /// <summary>A counted UTF-8 text as messages carry it.</summary>
    public static byte[] Text(string text) => Counted(Encoding.UTF8.GetBytes(text));
}
