defmodule Bench.VmFlag.Work do
  # {name, bytes of the limit, work}.

  @mib 1024 * 1024

  def honest do
    references =
      for n <- [8, 16, 32, 64],
          do:
            {"#{n} references to a binary of a quarter of the limit", 64 * @mib,
             fn -> length(received(16 * @mib, n)) end}

    references ++
      [
        {"160 references to a page of 1 MiB under 16 MiB", 16 * @mib,
         fn -> length(received(@mib, 160)) end},
        {"15 MB of list beside garbage binaries of 10 MB", 64 * @mib,
         fn ->
           list = Enum.to_list(1..940_000)
           for _ <- 1..20, do: _ = byte_size(:binary.copy("x", 10_000_000))
           length(list)
         end}
      ]
  end

  def growing do
    [
      {"a growing list", fn -> grown([], 64_000_000) end},
      {"binaries of 1 MB from strong_rand_bytes",
       fn -> length(for _ <- 1..1_200, do: :crypto.strong_rand_bytes(1_000_000)) end},
      {"tuples of 16 MB in a loop",
       fn -> length(for _ <- 1..200, do: :erlang.make_tuple(2_000_000, 0)) end},
      {"String.split of 50 MB",
       fn -> length(String.split(:binary.copy("a ", 25_000_000), " ")) end}
    ]
  end

  defp received(bytes, n) do
    work = self()

    spawn(fn ->
      binary = :binary.copy("p", bytes)
      for _ <- 1..n, do: send(work, {:page, binary})
    end)

    pages = for _ <- 1..n, do: receive(do: ({:page, page} -> page))
    churn(System.monotonic_time(:millisecond) + 30)
    pages
  end

  # Collections, at which the VM looks.
  defp churn(until) do
    if System.monotonic_time(:millisecond) < until do
      _ = length(Enum.to_list(1..20_000))
      churn(until)
    end
  end

  defp grown(list, 0), do: length(list)
  defp grown(list, n), do: grown([n | list], n - 1)
end

defmodule Bench.VmFlag.Probe do
  # One figure, in this VM.

  alias Bench.VmFlag.Work

  @runs 10
  @limit 64 * 1024 * 1024

  def passes(m, path, n) do
    set(m, path)
    {_name, limit, work} = Enum.at(Work.honest(), n)
    passed = Enum.count(1..@runs, fn _ -> match?({:ok, _}, Quota.try_run(limit, work)) end)
    Bench.Vm.return("#{passed} of #{@runs}")
  end

  def peak(m, path, n) do
    set(m, path)
    {_name, work} = Enum.at(Work.growing(), n)
    Quota.run(@limit, fn -> Enum.sum(1..1_000) end)
    Enum.each(Process.list(), &:erlang.garbage_collect/1)
    File.write!("/proc/self/clear_refs", "5")
    before = status("VmRSS:")

    returned =
      if match?({:ok, _}, Quota.try_run(@limit, work, timeout: 60_000)),
        do: ", returned",
        else: ""

    times = (status("VmHWM:") - before) / @limit
    Bench.Vm.return(:erlang.float_to_binary(times, decimals: 2) <> returned)
  end

  # In place of the module's own figure.
  defp set(m, path) do
    Code.compiler_options(ignore_module_conflict: true)
    code = Regex.replace(~r/@times(_of_heap)? \d+\n/, File.read!(path), "@times\\1 #{m || 6}\n")
    code = if m, do: code, else: String.replace(code, "kill: kill", "kill: false")

    code =
      if m,
        do: code,
        else: String.replace(code, "bytes(words)}\n  end", "1_000_000_000_000}\n  end")

    Code.compile_string(code)
  end

  defp status(key) do
    [_, kilobytes] = Regex.run(~r/#{key}\s+(\d+)/, File.read!("/proc/self/status"))
    String.to_integer(kilobytes) * 1024
  end
end
