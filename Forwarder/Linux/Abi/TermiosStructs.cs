using System.Runtime.InteropServices;

namespace PersonalVpn.Linux.Abi;

/// <summary>termios.h: the modes of a terminal.</summary>
[CStruct("struct termios", "termios.h")]
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Termios
{
    internal uint c_iflag;
    internal uint c_oflag;
    internal uint c_cflag;
    internal uint c_lflag;
    internal byte c_line;
    internal fixed byte c_cc[32];
    internal uint c_ispeed;
    internal uint c_ospeed;
}

/// <summary>termios.h.</summary>
[CConstants("termios.h")]
internal static class TermiosH
{
    internal const uint ECHO = 8;
    internal const uint ECHONL = 0x40;
    internal const int TCSAFLUSH = 2;
}
