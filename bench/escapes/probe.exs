defmodule Bench.Escapes.Probe do
  # Runs one row in this VM and prints its peak and how it ended.

  alias Bench.Escapes.Rows

  @timeout_ms 40_000
  # Children that outlive the answer would still grow.
  @settle_ms 50

  @doc "Runs row `index` and hands `{bytes, milliseconds, outcome}` over."
  def main(index) do
    row = Enum.at(Rows.all(), index)
    Logger.configure(level: :none)
    warm_up(row)
    prepared = row.prepare && row.prepare.()
    options = Keyword.merge([timeout: @timeout_ms], options(row.options, prepared))
    Enum.each(Process.list(), &:erlang.garbage_collect/1)
    File.write!("/proc/self/clear_refs", "5")
    before = status("VmRSS:")
    started = System.monotonic_time(:millisecond)
    if row.beside, do: spawn(fn -> row.beside.(prepared) end)
    outcome = outcome(row, work(row.work, prepared), options)
    took = System.monotonic_time(:millisecond) - started
    Process.sleep(@settle_ms)
    Bench.Vm.return({status("VmHWM:") - before, took, outcome})
  end

  defp options(options, prepared) when is_function(options), do: options.(prepared)
  defp options(options, _prepared), do: options

  defp work(work, _prepared) when is_function(work, 0), do: work
  defp work(work, prepared), do: fn -> work.(prepared) end

  # Code is loaded and the library's own processes run before the baseline is taken.
  defp warm_up(row) do
    counts = if is_list(row.options), do: Keyword.take(row.options, [:count]), else: []
    Quota.run(row.limit, fn -> Process.sleep(5) end, counts)
    Quota.try_run(Quota.kib(256), fn -> Enum.to_list(1..1_000_000) end)
    Process.sleep(50)
  end

  defp outcome(%{via: :run} = row, work, options) do
    case Quota.try_run(row.limit, work, options) do
      {:ok, value} -> {:returned, brief(value)}
      {:error, error} -> stopped(error)
    end
  rescue
    error -> {:raised, brief(error)}
  catch
    kind, reason -> {:raised, brief({kind, reason})}
  end

  defp outcome(%{via: :put_limit} = row, work, options) do
    {pid, ref} =
      spawn_monitor(fn ->
        Quota.put_limit(row.limit, Keyword.delete(options, :timeout))
        exit({:returned, brief(work.())})
      end)

    receive do
      {:DOWN, ^ref, _, _, :killed} -> {:stopped, :killed}
      {:DOWN, ^ref, _, _, {:returned, value}} -> {:returned, value}
      {:DOWN, ^ref, _, _, {%Quota.ExceededError{} = error, _stack}} -> stopped(error)
      {:DOWN, ^ref, _, _, reason} -> {:raised, brief(reason)}
    after
      options[:timeout] ->
        Process.exit(pid, :kill)
        {:stopped, :timeout}
    end
  end

  defp stopped(%Quota.ExceededError{category: category}), do: {:stopped, category}
  defp stopped(%Quota.TimeoutError{}), do: {:stopped, :timeout}
  defp stopped(error), do: {:raised, brief(error)}

  defp brief(value) when is_binary(value) and byte_size(value) > 80,
    do: "#{byte_size(value)} bytes"

  defp brief(%module{} = error) when is_exception(error),
    do: "#{inspect(module)}: #{error |> Exception.message() |> String.slice(0, 80)}"

  defp brief(value),
    do: value |> inspect(limit: 5, printable_limit: 60) |> String.slice(0, 100)

  defp status(key) do
    [_, kilobytes] = Regex.run(~r/#{key}\s+(\d+)/, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
  end
end
