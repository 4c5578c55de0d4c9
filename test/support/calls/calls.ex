defmodule Bounded.Test.Calls do
  @moduledoc false
  # The longest NIF call of a piece of work, by the CPU time of its thread.
  #
  # The same document makes the same calls every time, so of each call the shortest of several rounds
  # counts: interrupts and whatever else the system does in a thread's name hit another call each time.

  alias Bounded.Native

  # Calls shorter than this need no second look, in nanoseconds.
  @short 500_000
  # What no call may take.
  @long 1_000_000
  @long_schedule_ms 5

  # Beside other work of the machine, a call of 0.7 ms took more than a millisecond in three rounds of three.
  @rounds 10

  # The account is there to tell the peak.
  @limit Quota.gib(16)

  @doc """
  Measures with `once`, which calls `once/1`, up to `rounds` times, until no call is known to be long. Gives

    * `longest`: the longest call, in nanoseconds
    * `first`: the same by the first round alone
    * `over`: how many calls took longer than a millisecond, every time
    * `calls`: how many there were
    * `peak`: the most native bytes at once, those of binaries included
    * `long_schedules`: how often the process kept its scheduler for more than 5 ms, in the best round
    * `result`: what the work gave
  """
  def measure(once, rounds \\ @rounds) do
    measured = summary(once.())
    more(Map.put(measured, :first, measured.longest), once, rounds - 1)
  end

  defp more(measured, once, rounds) do
    if rounds > 0 and (measured.longest >= @long or measured.long_schedules > 0),
      do: measured |> best(once.()) |> summary() |> more(once, rounds - 1),
      else: measured
  end

  # Of a call that is not among the long ones of one round, only a bound is known.
  defp best(one, other) do
    long =
      for {number, time} <- one.long, again = other.long[number], into: %{} do
        {number, min(time, again)}
      end

    %{
      one
      | long: long,
        bound: min(one.bound, other.bound),
        peak: max(one.peak, other.peak),
        long_schedules: min(one.long_schedules, other.long_schedules)
    }
  end

  defp summary(measured) do
    times = Map.values(measured.long)

    Map.merge(measured, %{
      longest: Enum.max([measured.bound | times]),
      over: Enum.count(times, &(&1 > @long))
    })
  end

  @doc "One round of `fun`, in a process of its own."
  def once(fun) do
    measurer = self()
    Native.measured_calls(@short)

    {pid, monitor} =
      spawn_monitor(fn ->
        account = Native.account_new(self(), @limit, nil, nil)
        Native.account_attach(account, self())
        receive do: (:go -> :ok)
        result = fun.()
        Native.account_detach(account, self())
        {_heap, _binaries, _native, _total, peak} = Native.account_usage(account)
        send(measurer, {self(), result, peak})
      end)

    :erlang.system_monitor(self(), [{:long_schedule, @long_schedule_ms}])
    send(pid, :go)

    receive do
      {^pid, result, peak} ->
        receive do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> :ok)
        :erlang.system_monitor(:undefined)
        {calls, longest, long} = Native.measured_calls(@short)

        %{
          result: result,
          peak: peak,
          calls: calls,
          bound: if(long == [], do: longest, else: @short),
          long: Map.new(long),
          long_schedules: long_schedules(pid, 0)
        }

      {:DOWN, ^monitor, :process, ^pid, reason} ->
        exit(reason)
    end
  end

  defp long_schedules(pid, count) do
    receive do
      {:monitor, ^pid, :long_schedule, _info} -> long_schedules(pid, count + 1)
      {:monitor, _other, :long_schedule, _info} -> long_schedules(pid, count)
    after
      0 -> count
    end
  end
end
