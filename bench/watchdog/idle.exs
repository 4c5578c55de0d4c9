defmodule Bench.Watchdog.Idle do
  # What the watchdog costs on an idle node, in percent of a core: VMs with it and without, in turn, in control groups of 256 MiB and 1 GiB
  # and in none.
  #
  # Processor time is that of all threads of the VM by `/proc/self/task/*/schedstat`. On a virtual machine, what it takes to wake an idle
  # processor counts too: the share of the watchdog's thread, which only sleeps and reads a file, shows how much that is.

  alias Bench.Vm

  # For the first pass over the node, and its examination by the Doctor.
  @settle_ms 6_000
  @mib 1024 * 1024

  def main(arguments, compiled) do
    given = Enum.map(arguments, &String.to_integer/1)
    [seconds, rounds] = given ++ Enum.drop([30, 2], length(given))

    IO.puts(
      "#{Date.utc_today()}, OTP #{System.otp_release()}, Elixir #{System.version()}, " <>
        "#{System.schedulers_online()} schedulers; percent of a core over #{seconds} s, load before in brackets\n"
    )

    for limit <- [256 * @mib, 1_024 * @mib, nil], do: limit(limit, compiled, seconds, rounds)
    0
  end

  defp limit(limit, compiled, seconds, rounds) do
    measured = fn machine ->
      machine = if limit, do: machine, else: %{machine | group: {:error, "not asked for"}}
      for _ <- 1..rounds, do: IO.puts(round(machine, limit, seconds * 1_000))
    end

    Vm.with_machine(compiled, measured, limit || @mib)
  end

  defp round(machine, limit, ms) do
    columns =
      for watched <- [true, false] do
        before = load()
        expression = "Bench.Watchdog.Idle.measure(#{watched}, #{ms})"
        {:ok, figures} = Vm.run(machine, expression, ms + 60_000)
        "#{if watched, do: "watchdog", else: "bare"} #{figures} (#{before})"
      end

    Enum.join([if(limit, do: Bounded.Format.bytes(limit), else: "no group") | columns], "; ")
  end

  defp load, do: "/proc/loadavg" |> File.read!() |> String.split(" ") |> hd()

  @doc "Measures this VM, and returns the figures to the one that started it."
  def measure(watched, ms) do
    {:ok, _} = Application.ensure_all_started(:bounded)
    if watched, do: {:ok, _} = Quota.Watchdog.start_link(mode: :observe)
    Process.sleep(@settle_ms)
    {before, since} = {threads(), System.monotonic_time(:nanosecond)}
    Process.sleep(ms)
    {now, took} = {threads(), System.monotonic_time(:nanosecond) - since}
    spent = for {thread, ns} <- now, do: {thread, ns - Map.get(before, thread, 0)}
    all = spent |> Enum.map(&elem(&1, 1)) |> Enum.sum()
    thread = for {{_, "bounded-usage\n"}, ns} <- spent, do: ", its thread #{percent(ns, took)}"
    Vm.return("#{percent(all, took)}#{thread}")
  end

  # Nanoseconds by number and name.
  defp threads do
    for path <- Path.wildcard("/proc/self/task/*"),
        {:ok, name} <- [File.read(Path.join(path, "comm"))],
        {:ok, figures} <- [File.read(Path.join(path, "schedstat"))],
        into: %{} do
      {{path, name}, figures |> String.split(" ") |> hd() |> String.to_integer()}
    end
  end

  defp percent(ns, took), do: :erlang.float_to_binary(ns * 100 / took, decimals: 3)
end
