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
  does, which asks nobody. In `mode: :observe` there is one event, not one for every look.
  """

  alias Bounded.{Native, Telemetry}
  alias Quota.{ExceededError, Text, Usage}

  require Logger

  @handler __MODULE__

  @doc """
  Logs breaches and soft limits: one line each, at `level` (`:warning` by default).

  Returns what `:telemetry.attach_many/4` returns: `:ok`, or `{:error, :already_exists}`. Raises
  `ArgumentError` when `:telemetry` is not there, and when `level` is not one of `Logger`'s.
  """
  @spec attach_default_logger(Logger.level()) :: :ok | {:error, :already_exists}
  def attach_default_logger(level \\ :warning) do
    unless level in [:debug, :info, :notice, :warning, :error, :critical, :alert, :emergency] do
      raise ArgumentError,
            "the level is one of Logger's, such as :warning, got: #{inspect(level)}"
    end

    unless Code.ensure_loaded?(:telemetry) do
      raise ArgumentError,
            "there are no events without the library :telemetry: add it to your mix.exs"
    end

    events = [[:bounded, :quota, :breach], [:bounded, :quota, :soft_limit]]
    Telemetry.attach_many(@handler, events, &__MODULE__.log/4, level)
  end

  @doc false
  def log([_, _, :breach], measurements, metadata, level) do
    Logger.log(level, fn ->
      "#{Text.subject(metadata.label)} exceeded its limit of #{Text.bytes(metadata.limit)} " <>
        "(#{metadata.category}) with #{Text.bytes(measurements.total)} in use" <>
        if(metadata.enforced, do: "", else: "; it is only observed and goes on")
    end)
  end

  def log([_, _, :soft_limit], measurements, metadata, level) do
    Logger.log(level, fn ->
      "#{Text.subject(metadata.label)} has #{Text.bytes(measurements.total)} in use: over its soft " <>
        "limit, and at most #{Text.bytes(metadata.limit)} are allowed"
    end)
  end

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
