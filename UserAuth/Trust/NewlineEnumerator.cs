namespace PersonalVpn.UserAuth;

/// <summary>Splits text at '\n' only, so that line numbers are those an editor shows.</summary>
internal ref struct NewlineEnumerator(ReadOnlySpan<char> text)
{
    private ReadOnlySpan<char> _rest = text;
    private bool _done;

    /// <summary>The line, without its end.</summary>
    public ReadOnlySpan<char> Current { get; private set; }

    /// <summary>This, for foreach.</summary>
    public readonly NewlineEnumerator GetEnumerator() => this;

    /// <summary>The next line.</summary>
    public bool MoveNext()
    {
        if (_done)
        {
            return false;
        }
        int end = _rest.IndexOf('\n');
        _done = end < 0;
        Current = _done ? _rest : _rest[..end];
        _rest = _done ? default : _rest[(end + 1)..];
        return true;
    }
}

/// <summary>Makes <see cref="NewlineEnumerator"/> readable at its use.</summary>
internal static class NewlineExtensions
{
    /// <summary>The lines of a text.</summary>
    public static NewlineEnumerator EnumerateLinesByNewline(this ReadOnlySpan<char> text) => new(text);
}
