using System.Runtime.InteropServices;

namespace PersonalVpn.Linux;

/// <summary>
/// The kernel refused something. The message is one line: what was tried, then why
/// ("bind AF_UNIX /run/x.sock: Address already in use").
/// </summary>
public sealed class LinuxException : IOException
{
    /// <summary>Creates the error of a failed operation.</summary>
    /// <param name="operation">What was tried, with its object.</param>
    /// <param name="errno">The positive error number.</param>
    public LinuxException(string operation, int errno)
        : this(operation, errno, null)
    {
    }

    /// <summary>Creates the error of a failed operation, with the kernel's or our own explanation.</summary>
    /// <param name="operation">What was tried, with its object.</param>
    /// <param name="errno">The positive error number.</param>
    /// <param name="hint">What the kernel says beyond the number (extended ack), or what to do; null for none.</param>
    public LinuxException(string operation, int errno, string? hint)
        : base($"{operation}: {Marshal.GetPInvokeErrorMessage(errno)}{(string.IsNullOrEmpty(hint) ? "" : $" ({hint})")}")
    {
        Operation = operation;
        Error = errno;
    }

    /// <summary>What was tried.</summary>
    public string Operation { get; }

    /// <summary>The positive error number; see <see cref="Errno"/>.</summary>
    public int Error { get; }

    /// <summary>Throws when <paramref name="result"/> is a negative errno; gives it back otherwise.</summary>
    internal static int Check(int result, string operation) =>
        result >= 0 ? result : throw new LinuxException(operation, -result);
}
