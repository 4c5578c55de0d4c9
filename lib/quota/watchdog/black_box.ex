defmodule Quota.Watchdog.BlackBox do
  @moduledoc false
  # The process that reports, in the log and as telemetry events, what the watchdog did. Its heap is allocated and the Doctor's findings are
  # collected beforehand: when memory is short, it only has to build the text.

  require Logger

  alias Bounded.{Doctor, Format, Telemetry}
  alias Quota.Watchdog.{Census.Identity, Report}

  # Words of its heap: a report takes a few thousand.
  @heap_words 64_000
  # Milliseconds after which the Doctor examines the node again, and the words of heap that this may take.
  @examine_ms 600_000
  @examine_words 8 * 1024 * 1024
  # Findings that are kept, the characters of each, and the stack frames of a culprit.
  @most_findings 8
  @longest_finding 300
  @frames 16

  defstruct captured: nil, findings: [], examined: nil

  @doc "Starts the process, linked to the caller."
  def start_link do
    :erlang.spawn_opt(__MODULE__, :start, [], [
      :link,
      priority: :high,
      message_queue_data: :off_heap,
      min_heap_size: @heap_words,
      fullsweep_after: 20
    ])
  end

  @doc """
  Makes the box ask `pid`, the culprit, for its stack, and waits at most `milliseconds` for that: `:ok` or `:late`. A process that collects
  garbage answers only afterwards, and a dead one never.
  """
  def capture(box, pid, identity, milliseconds) do
    ref = make_ref()
    send(box, {:capture, self(), ref, pid, identity})

    receive do
      {:captured, ^ref} -> :ok
    after
      milliseconds -> :late
    end
  end

  @doc "Reports that `candidate` was ended, or why nothing was: see `Quota.Watchdog`."
  def publish(box, figures, candidate, others, outcome),
    do: send(box, {:publish, figures, candidate, others, outcome})

  @doc "Reports the bytes that a collection of `pid` gave back."
  def collected(box, pid, bytes), do: send(box, {:collected, pid, bytes})

  @doc "Reports the bytes that came back after a kill."
  def ended(box, figures, ended), do: send(box, {:ended, figures, ended})

  @doc "Reports that the function given with `handle:` gave no valid answer, and why."
  def unanswered(box, why), do: send(box, {:unanswered, why})

  @doc "Reports that nothing more ends for now: `most` ends within a minute, `per_minute:`, are reached."
  def paused(box, figures, most), do: send(box, {:paused, figures, most})

  @doc false
  def start do
    # An application that stops kills the processes that have its group leader.
    Process.group_leader(self(), Process.whereis(:init))
    examine()
    loop(%__MODULE__{})
  end

  defp loop(state) do
    receive do
      message -> message |> handle(state) |> loop()
    end
  end

  defp handle({:capture, from, ref, pid, identity}, state) do
    captured = asked(pid, identity)
    send(from, {:captured, ref})
    %{state | captured: captured}
  end

  defp handle({:publish, figures, candidate, others, outcome}, state) do
    findings = {state.findings, state.examined}
    report = Report.new(figures, candidate, others, outcome, state.captured, findings)

    Telemetry.execute([:bounded, :watchdog, :report], Report.measurements(report), report)
    Logger.log(Report.level(report), fn -> report.text end)
    %{state | captured: nil}
  end

  defp handle({:collected, pid, bytes}, state) do
    Telemetry.execute([:bounded, :watchdog, :collected], %{returned: bytes}, %{pid: pid})

    Logger.warning(
      "Quota.Watchdog: a garbage collection of #{inspect(pid)} gave back #{Format.bytes(bytes)}"
    )

    state
  end

  defp handle({:ended, figures, ended}, state) do
    measurements = %{
      returned: ended.returned,
      duration: ended.milliseconds,
      processes: ended.processes,
      used: figures.used
    }

    Telemetry.execute([:bounded, :watchdog, :ended], measurements, %{kind: ended.kind})

    Logger.warning(
      "Quota.Watchdog: #{Format.bytes(ended.returned)} came back within #{ended.milliseconds} ms; " <>
        "#{Format.bytes(figures.used)} of #{Format.bytes(figures.limit)} in use" <>
        if(ended.kind == :persistent_terms, do: ". Persistent terms do not come back", else: "")
    )

    state
  end

  defp handle({:paused, figures, most}, state) do
    Telemetry.execute(
      [:bounded, :watchdog, :paused],
      %{used: figures.used, limit: figures.limit},
      %{
        per_minute: most
      }
    )

    Logger.error(
      "Quota.Watchdog has acted #{most} times within a minute (per_minute: #{most}) and ends nothing more until that minute is over. " <>
        "#{Format.bytes(figures.used)} of #{Format.bytes(figures.limit)} in use"
    )

    state
  end

  defp handle({:unanswered, why}, state) do
    Logger.warning(
      "Quota.Watchdog: the function given with handle: #{why}. The culprit ends, as with :end"
    )

    state
  end

  defp handle(:examine, state) do
    examine()
    state
  end

  defp handle({:findings, findings}, state),
    do: %{state | findings: findings, examined: System.monotonic_time(:second)}

  defp handle(_other, state), do: state

  defp asked(pid, identity) do
    case Process.info(pid, [:current_stacktrace, :message_queue_len, :status]) do
      [current_stacktrace: stack, message_queue_len: queue, status: status] ->
        %{
          pid: pid,
          stack: Enum.take(stack, @frames),
          queue: queue,
          status: status,
          identity: identity || Identity.of(pid, 0)
        }

      nil ->
        nil
    end
  end

  # In a process of its own, which asks all others, and is killed if it takes too much heap.
  defp examine do
    box = self()
    Process.send_after(box, :examine, @examine_ms)

    :erlang.spawn_opt(
      fn -> examine_for(box) end,
      priority: :low,
      max_heap_size: %{size: @examine_words, kill: true, error_logger: false}
    )

    :ok
  rescue
    # The process table is full.
    SystemLimitError -> :ok
  end

  defp examine_for(box) do
    findings =
      for finding <- Enum.take(Doctor.examine().findings, @most_findings) do
        {finding.severity, finding.id, String.slice(finding.summary, 0, @longest_finding)}
      end

    send(box, {:findings, findings})
  rescue
    # This VM does not report its memory (an allocator is switched off), so the Doctor cannot examine it.
    ArgumentError -> :ok
  end
end
