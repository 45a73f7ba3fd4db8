using System.Collections.Concurrent;
using System.Globalization;

namespace PersonalVpn.Linux;

/// <summary>
/// One thread that waits for all descriptors of a process (epoll) and calls their handlers, one round at a time:
/// <code>
/// 1 wait for events, or until the next timer is due
/// 2 call the handler of each event
/// 3 run what was posted, and timers that are due
/// 4 run the end-of-round actions: here writers push what steps 2 and 3 collected, in as few system calls as possible
/// </code>
/// Handlers must not block. Register, Modify, Unregister, Post and PostDelayed may be called from any thread. An exception that a
/// handler lets out goes to the error action given at creation; without one it ends the process, as on any thread.
/// </summary>
public sealed class EventLoop : IDisposable
{
    private const ulong WakeKey = 0;
    private const int EventsPerRound = 64;

    private readonly Epoll _epoll = new();
    private readonly EventFd _wake = new();
    private readonly ConcurrentDictionary<ulong, IEventHandler> _handlers = new();
    private readonly ConcurrentDictionary<int, ulong> _keys = new();
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly PriorityQueue<TimerEntry, long> _timers = new();
    private readonly Action<Exception>? _onError;
    private Action[] _roundEnd = [];
    private Thread? _thread;
    private ulong _lastKey = WakeKey;
    private int _signalled;
    private volatile bool _stopping;

    /// <summary>Creates a loop that does not run yet.</summary>
    /// <param name="onError">Called on the loop's thread with what a handler threw; the loop goes on.</param>
    /// <exception cref="LinuxException">epoll or eventfd failed.</exception>
    public EventLoop(Action<Exception>? onError = null)
    {
        _onError = onError;
        _epoll.Add(_wake.Fd, EpollEvents.EPOLLIN, WakeKey);
    }

    /// <summary>True on the loop's own thread.</summary>
    public bool IsLoopThread => Thread.CurrentThread == _thread;

    /// <summary>Starts the thread.</summary>
    /// <param name="name">Thread name, seen in ps and debuggers.</param>
    public void Start(string name)
    {
        if (_thread is not null) throw new InvalidOperationException("the loop runs already");
        _thread = new Thread(Run) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Watches a descriptor. The caller keeps it open until <see cref="Unregister"/>.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="events">What for; EPOLLERR and EPOLLHUP always.</param>
    /// <param name="handler">Whom to call.</param>
    /// <exception cref="LinuxException">EEXIST: it is watched already; EPERM: files cannot be watched.</exception>
    public void Register(int fd, uint events, IEventHandler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);

        // Events carry a number that is never used twice, so that an event that was under way when its descriptor was closed
        // cannot reach the handler of the descriptor that got the same number next.
        ulong key = Interlocked.Increment(ref _lastKey);
        _handlers[key] = handler;
        _keys[fd] = key;
        try
        {
            _epoll.Add(fd, events, key);
        }
        catch
        {
            _handlers.TryRemove(key, out _);
            _keys.TryRemove(new KeyValuePair<int, ulong>(fd, key));
            throw;
        }
    }

    /// <summary>Changes what a descriptor is watched for.</summary>
    /// <exception cref="InvalidOperationException">It is not watched.</exception>
    public void Modify(int fd, uint events)
    {
        if (!_keys.TryGetValue(fd, out ulong key))
            throw new InvalidOperationException($"fd {fd.ToString(CultureInfo.InvariantCulture)} is not registered");
        _epoll.Modify(fd, events, key);
    }

    /// <summary>Watches no more; call before closing. Once it returns on the loop's thread the handler is not called again; from another
    /// thread a call may be under way. Harmless when not watched.</summary>
    public void Unregister(int fd)
    {
        if (!_keys.TryRemove(fd, out ulong key)) return;
        _handlers.TryRemove(key, out _);
        try
        {
            _epoll.Remove(fd);
        }
        catch (ObjectDisposedException)
        {
            // The loop has ended, and with it the watching.
        }
    }

    /// <summary>Runs an action on the loop's thread, after the events of the round.</summary>
    public void Post(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        _posted.Enqueue(action);
        Wake();
    }

    /// <summary>Runs an action on the loop's thread after a time. Dispose the answer to forget it.</summary>
    public IDisposable PostDelayed(TimeSpan delay, Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        TimerEntry timer = new(action);
        long due = Environment.TickCount64 + (long)Math.Max(0, delay.TotalMilliseconds);
        lock (_timers) _timers.Enqueue(timer, due);
        if (!IsLoopThread) Wake();
        return timer;
    }

    /// <summary>Adds an action at the end of every round, for good or until <see cref="RemoveRoundEnd"/>.</summary>
    public void AddRoundEnd(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        lock (_handlers) _roundEnd = [.. _roundEnd, action];
    }

    /// <summary>Removes it.</summary>
    public void RemoveRoundEnd(Action action)
    {
        lock (_handlers) _roundEnd = Array.FindAll(_roundEnd, a => a != action);
    }

    /// <summary>Stops after the round under way and, from another thread, waits for that. Handlers are not called any more.</summary>
    public void Dispose()
    {
        if (_stopping) return;
        _stopping = true;
        if (_thread is null) Close();
        else
        {
            _wake.Signal();
            if (!IsLoopThread) _thread.Join();
        }
    }

    private void Wake()
    {
        if (IsLoopThread || Interlocked.Exchange(ref _signalled, 1) != 0) return;
        try
        {
            _wake.Signal();
        }
        catch (ObjectDisposedException)
        {
            // The loop has ended: nothing runs there any more, as Dispose says.
        }
    }

    private void Run()
    {
        EpollEvent[] events = GC.AllocateArray<EpollEvent>(EventsPerRound, pinned: true);
        while (!_stopping)
        {
            int count = _epoll.Wait(events, NextTimeout());
            for (int i = 0; i < count && !_stopping; i++)
            {
                if (events[i].Data == WakeKey)
                {
                    _wake.Drain();
                    Volatile.Write(ref _signalled, 0);
                }
                else if (_handlers.TryGetValue(events[i].Data, out IEventHandler? handler))
                {
                    Guard(handler, events[i].Events);
                }
            }

            // Only what was posted before this point: an action that posts itself must not starve the descriptors.
            for (int left = _posted.Count; left > 0 && _posted.TryDequeue(out Action? action); left--) Guard(action);
            RunTimers();
            foreach (Action action in _roundEnd) Guard(action);
        }

        Close();
    }

    private int NextTimeout()
    {
        if (!_posted.IsEmpty) return 0;
        lock (_timers)
        {
            return _timers.TryPeek(out _, out long due) ? (int)Math.Clamp(due - Environment.TickCount64, 0, int.MaxValue) : -1;
        }
    }

    private void RunTimers()
    {
        long now = Environment.TickCount64;
        while (true)
        {
            TimerEntry? timer;
            lock (_timers)
            {
                if (!_timers.TryPeek(out timer, out long due) || due > now) return;
                _timers.Dequeue();
            }

            if (timer.Take() is Action action) Guard(action);
        }
    }

    private void Guard(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (_onError is not null)
        {
            _onError(e);
        }
    }

    private void Guard(IEventHandler handler, uint events)
    {
        try
        {
            handler.OnEvents(events);
        }
        catch (Exception e) when (_onError is not null)
        {
            _onError(e);
        }
    }

    private void Close()
    {
        _epoll.Dispose();
        _wake.Dispose();
    }

    private sealed class TimerEntry(Action action) : IDisposable
    {
        private Action? _action = action;

        public Action? Take() => Interlocked.Exchange(ref _action, null);

        public void Dispose() => Take();
    }
}
