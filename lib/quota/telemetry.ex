defmodule Quota.Telemetry do
  @moduledoc """
  The events that quotas send, when the library `:telemetry` is loaded.

  | event | when | measurements | metadata |
  | --- | --- | --- | --- |
  | `[:bounded, :quota, :run, :start]` | `Quota.run/3` begins | `system_time`, `monotonic_time` (native time units) | `label`, `limit` (bytes), `caller` (pid) |
  | `[:bounded, :quota, :run, :stop]` | it returns | `duration`, `monotonic_time` (native time units), `peak` (bytes, a lower bound), `native` (bytes still charged) | as above |
  | `[:bounded, :quota, :run, :exception]` | it raises, throws or exits | as above | as above, and `kind`, `reason`, `stacktrace` |
  | `[:bounded, :quota, :soft_limit]` | usage passes `:soft_limit` on its way up | `total`, `heap`, `binaries`, `native`, `ets` (bytes) | `label`, `limit` (bytes), `pid`, `caller` |
  | `[:bounded, :quota, :breach]` | usage passes the limit | as above, and `peak` (bytes) | as above, and `category`, `enforced` (false in `mode: :observe`), `stacktrace` (or nil) |

  The breach of a run is sent by its caller, after the work is dead; that of a process with
  `Quota.put_limit/2` by its guard: before the kill where the guard decides, right after it where the VM
  does, which asks nobody. It is logged as well: see `Quota.put_limit/2`. In `mode: :observe` there is one event, not one for every look.
  """

  alias Bounded.{Native, Telemetry}
  alias Quota.{ExceededError, Usage}

  @doc false
  defdelegate enabled?, to: Telemetry

  @doc false
  # Around a run. Its account says what it used.
  def run(run, fun) do
    metadata = %{label: run.options.label, limit: run.granted, caller: self()}
    started = System.monotonic_time()
    start = %{system_time: System.system_time(), monotonic_time: started}
    Telemetry.execute([:bounded, :quota, :run, :start], start, metadata)

    try do
      fun.(run)
    catch
      kind, reason ->
        failure = %{kind: kind, reason: reason, stacktrace: __STACKTRACE__}
        metadata = Map.merge(metadata, failure)
        Telemetry.execute([:bounded, :quota, :run, :exception], stopped(run, started), metadata)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      result ->
        Telemetry.execute([:bounded, :quota, :run, :stop], stopped(run, started), metadata)
        result
    end
  end

  defp stopped(run, started) do
    now = System.monotonic_time()
    usage = usage(run.account)
    %{duration: now - started, monotonic_time: now, peak: usage.peak, native: usage.native}
  end

  @doc false
  def soft_limit(pid, caller, account) do
    if enabled?() do
      measurements = account |> usage() |> Map.take([:total, :heap, :binaries, :native, :ets])
      limit = Native.account_limit(account)
      metadata = %{label: label(account), limit: limit, pid: pid, caller: caller}
      Telemetry.execute([:bounded, :quota, :soft_limit], measurements, metadata)
    end
  end

  @doc false
  def breach(%ExceededError{} = error, pid, caller, enforced) do
    measurements = Map.take(error.usage, [:total, :peak, :heap, :binaries, :native, :ets])

    Telemetry.execute([:bounded, :quota, :breach], measurements, %{
      label: error.label,
      limit: error.limit,
      category: error.category,
      stacktrace: error.stacktrace,
      enforced: enforced,
      pid: pid,
      caller: caller
    })
  end

  @doc false
  def label(account) do
    label = Native.account_caption(account)
    label && :erlang.binary_to_term(label)
  end

  defp usage(account), do: account |> Native.account_details() |> Usage.from_tuple()
end
