namespace PersonalVpn.Linux.Abi;

/// <summary>
/// Says which C structure a declaration of ours repeats. The ABI test writes C from it (sizeof, offsetof of every field by
/// its name) and lets the system's compiler and headers judge, so that a wrong offset fails a build, not a packet.
/// </summary>
[AttributeUsage(AttributeTargets.Struct)]
public sealed class CStructAttribute(string name, params string[] headers) : Attribute
{
    /// <summary>The structure's C name, for example "struct nlmsghdr".</summary>
    public string Name { get; } = name;

    /// <summary>Headers to include, in order.</summary>
    public IReadOnlyList<string> Headers { get; } = headers;
}

/// <summary>Gives the C name of a structure's field where it differs from ours ("" = padding that C does not name).</summary>
[AttributeUsage(AttributeTargets.Field)]
public sealed class CFieldAttribute(string name) : Attribute
{
    /// <summary>The field's C name; empty for unnamed padding.</summary>
    public string Name { get; } = name;
}

/// <summary>
/// Says that each constant of a class repeats the constant of the same name in the named C headers (or the C expression
/// given by <see cref="CExpressionAttribute"/>). Checked by the ABI test.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class CConstantsAttribute(params string[] headers) : Attribute
{
    /// <summary>Headers to include, in order.</summary>
    public IReadOnlyList<string> Headers { get; } = headers;
}

/// <summary>The C expression whose value a constant repeats, where it is not simply a constant of the same name.</summary>
[AttributeUsage(AttributeTargets.Field)]
public sealed class CExpressionAttribute(string expression) : Attribute
{
    /// <summary>A C constant expression, for example "offsetof(struct tcp_info, tcpi_snd_mss)".</summary>
    public string Expression { get; } = expression;
}
