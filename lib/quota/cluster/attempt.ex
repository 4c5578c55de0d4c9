defmodule Quota.Cluster.Attempt do
  @moduledoc false
  # The caller's half of a run on another node: see `Quota.Cluster.Protocol`. All answers come through an alias, so that those to
  # an attempt that was given up are dropped.

  alias Quota.Cluster.Runner

  # `sent` is `ref` as the other node knows it.
  defstruct [:node, :ref, :sent, :monitor, :runner, :worker]

  @doc """
  Asks `node` to reserve memory for work with `limit` and `opts`, in its pool. With `wait` it queues for that as `opts` say.
  """
  def start(node, limit, opts, wait) do
    ref = :erlang.alias([:explicit_unalias])
    request = %{ref: ref, caller: self(), limit: limit, opts: opts, wait: wait}
    arguments = [Quota.Cluster.Protocol.version(), request]
    options = [:monitor, reply_tag: ref, max_heap_size: 0]
    monitor = :erlang.spawn_request(node, Runner, :start, arguments, options)
    %__MODULE__{node: node, ref: ref, sent: :erlang.term_to_binary(ref), monitor: monitor}
  end

  @doc """
  Waits for the answer, at most `timeout` milliseconds. Returns

    * `{:admitted, attempt}`: call `go/3` or `cancel/1`
    * `{:refused, reason, view}` with the figures of the pool there, `{:failed, kind, reason, stacktrace}`,
      `{:version, version}` and `{:lost, reason}`: nothing was started, and the attempt is over
    * `{:waiting, attempt}` after the timeout
  """
  def answer(%{ref: ref, monitor: monitor} = attempt, timeout \\ :infinity) do
    receive do
      {^ref, ^monitor, :ok, runner} -> answer(%{attempt | runner: runner}, timeout)
      {^ref, ^monitor, :error, reason} -> over(attempt, {:lost, reason})
      {^ref, {:admitted, worker}} -> {:admitted, %{attempt | worker: worker}}
      {^ref, {:done, outcome}} -> over(attempt, unbegun(outcome))
      {^ref, answer} -> over(attempt, answer)
      {:DOWN, ^monitor, :process, _, reason} -> over(attempt, {:lost, loss(reason)})
    after
      timeout -> {:waiting, attempt}
    end
  end

  # The worker ended before the work was sent: its time was up, or the process table is full there.
  defp unbegun({:raise, kind, reason, stack}), do: {:failed, kind, reason, stack}
  defp unbegun({:died, reason}), do: {:lost, reason}

  @doc "Sends the work to an attempt that was admitted, and waits for its outcome: `{:done, outcome}` or `{:lost, reason}`."
  def go(%{ref: ref, monitor: monitor, worker: worker} = attempt, work, context) do
    send(worker, {ref, :go, work, context})

    receive do
      {^ref, {:done, outcome}} -> over(attempt, {:done, outcome})
      {:DOWN, ^monitor, :process, _, reason} -> over(attempt, arrived(attempt, reason))
    end
  end

  # The VM decodes a message of another node when it is received. If this node has stopped or restarted its distribution since it
  # arrived, the reference in it is that of a node with another name or creation, which `ref` does not match.
  defp arrived(attempt, reason) do
    before = before(attempt)

    receive do
      {^before, {:done, outcome}} -> {:done, outcome}
    after
      0 -> {:lost, loss(reason)}
    end
  end

  defp before(%{ref: ref, sent: sent}) do
    if :erlang.term_to_binary(ref) == sent, do: ref, else: :erlang.binary_to_term(sent)
  end

  # A runner that ended normally has answered, with a message that does not match.
  defp loss(:normal), do: :noconnection
  defp loss(reason), do: reason

  @doc "Gives up an attempt. Nothing of it was started, or will be."
  def cancel(%{worker: worker} = attempt) when worker != nil do
    send(worker, {attempt.ref, :cancel})
    over(attempt, :ok)
  end

  def cancel(%{runner: runner} = attempt) when runner != nil do
    Process.exit(runner, :kill)
    # It may have been admitted at this moment.
    with {:admitted, attempt} <- answer(attempt, 0), do: cancel(attempt)
    over(attempt, :ok)
  end

  # It is not known yet whether there is a runner.
  def cancel(%{ref: ref, monitor: monitor} = attempt) do
    receive do
      {^ref, ^monitor, :ok, runner} -> cancel(%{attempt | runner: runner})
      {^ref, ^monitor, :error, _reason} -> over(attempt, :ok)
    end
  end

  defp over(%{ref: ref, monitor: monitor} = attempt, answer) do
    :erlang.unalias(ref)
    Process.demonitor(monitor, [:flush])
    flush(ref)
    flush(before(attempt))
    answer
  end

  defp flush(ref) do
    receive do
      {^ref, _} -> flush(ref)
      {^ref, _, _, _} -> flush(ref)
    after
      0 -> :ok
    end
  end
end
