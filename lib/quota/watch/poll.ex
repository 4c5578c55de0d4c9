defmodule Quota.Watch.Poll do
  @moduledoc false
  # One poll of a guard's process, and the collections and traces that a guard asks for. Most functions take and return the guard.

  alias Bounded.Native
  alias Quota.Account.Breach
  alias Quota.Watch.{Binaries, Children, Mailbox, ProcessStats, Tracer}

  @doc """
  Measures the process and reports the figures to its account. Returns `{:wait, guard, milliseconds}` until the next poll,
  `{:over, guard, :over | :mailbox | :queue}`, or `{:dead, guard}`. `state` is `:collected` just after a garbage collection, and `:due`
  while one is due.
  """
  def poll(%{pid: pid, account: account} = guard, state \\ :uncollected) do
    collections = Native.account_collections(account)

    case ProcessStats.judged(pid, state) do
      nil ->
        {:dead, guard}

      {heap, binaries, work, queue} ->
        limit = Native.account_limit(account)
        {room, guard} = room(guard, state, heap, binaries, limit)
        counted = max(binaries - guard.slack, 0)

        case Native.account_poll(account, heap, counted + room, work, queue, collections) do
          {:near, milliseconds} -> {:wait, noted(guard), milliseconds}
          {:soft, milliseconds} -> {:wait, softly_over(guard), milliseconds}
          :over -> {:over, guard, if(Mailbox.over?(pid, queue, limit), do: :mailbox, else: :over)}
          :queue -> {:over, guard, :queue}
          milliseconds -> {:wait, guard, milliseconds}
        end
    end
  end

  # `{bytes, guard}`: bytes to add for a binary that is being appended to. Just after a collection it cannot be told from one to which bytes
  # were appended earlier (up to OTP 25), so none are added.
  defp room(guard, state, _heap, _binaries, _limit) when state != :uncollected, do: {0, guard}

  defp room(guard, :uncollected, heap, binaries, limit) do
    {room, largest} = Binaries.room(guard.pid, heap, binaries, limit, guard.largest)
    {room, %{guard | largest: largest}}
  end

  # Stores the stack of the process near its limit, for the error. With counted children the child's watcher does that: the guard does not
  # know which child grows, and among many runnable processes asking takes a second.
  def noted(%{policy: %{children: true}} = guard), do: guard

  def noted(%{pid: pid, account: account} = guard) do
    Breach.note_stack(pid, account)
    guard
  end

  @doc "The process has passed its soft limit: collects its garbage and sends the event."
  def softly_over(guard) do
    ProcessStats.collect(guard.pid)
    Quota.Telemetry.soft_limit(guard.pid, guard.caller, guard.account)
    guard
  end

  @doc "Lists the binaries of the process, so that later polls count each of them once."
  def counted_once(%{policy: policy, account: account} = guard) do
    limit = Native.account_limit(account)
    {slack, largest, unlisted} = Binaries.counted_once(guard.pid, policy.shared, limit)
    %{guard | slack: slack, single: largest, unlisted: unlisted}
  end

  @doc "Collects the garbage of the process: see `ProcessStats.collect/1`."
  def collect(guard) do
    collected = ProcessStats.collect(guard.pid)
    # Native memory is freed when destructors have run, which happens after the collection.
    if ProcessStats.native?(guard.account), do: Process.sleep(1)
    collected
  end

  @doc "Traces the process again if its trace session was destroyed."
  def traced(guard) do
    case Tracer.look(guard.session) do
      {:lost, _} -> retraced(guard)
      {:ok, session} -> %{guard | session: session}
    end
  end

  @doc "Traces the process in the current session, unless this guard already has. Children started meanwhile count again."
  def retraced(%{pid: pid, policy: policy, account: account} = guard) do
    session = Tracer.session_of_now()

    cond do
      session == guard.session -> :ok
      policy.children -> Children.retake(pid, account, self())
      true -> Tracer.trace(pid, false)
    end

    %{guard | session: session}
  rescue
    # The process table is full, and no session can be made: the next poll tries again.
    SystemLimitError -> guard
  end
end
