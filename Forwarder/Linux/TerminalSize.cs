using Microsoft.Win32.SafeHandles;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>How large a terminal is, asked without touching its settings.</summary>
public static class TerminalSize
{
    /// <summary>Columns of the terminal on stderr; null when there is none, or it does not know.</summary>
    public static unsafe int? ErrorColumns()
    {
        using var stderr = new SafeFileHandle(2, ownsHandle: false);
        WinSize size;
        return Native.Ioctl(stderr, IoctlH.TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : null;
    }
}
